-- Version 3: who changed the rules, how and why.

ALTER TABLE rule_sets ADD COLUMN comment TEXT;   -- by who stored it; NULL: none
-- activated, rollback, shipped (by itself), carried (from another database); NULL: from before version 3
ALTER TABLE activations ADD COLUMN how TEXT;
ALTER TABLE activations ADD COLUMN comment TEXT; -- NULL: none
