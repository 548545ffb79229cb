/* The live file: what is written is read; another boot's is empty; neither damage nor another format is taken for that.
 */
#include "node.h"

#include "daemon/leases/live_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/itexd-test-live-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int make_directory(void **state)
{
    (void)state;
    strcpy(strrchr(directory, '-'), "-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

static int remove_directory(void **state)
{
    (void)state;
    return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_one(uint64_t id)
{
    Itexd__Leases__Live live = ITEXD__LEASES__LIVE__INIT;
    Itexd__Leases__Lease lease = ITEXD__LEASES__LEASE__INIT, *leases[] = {&lease};
    Itexd__Leases__Unit unit = ITEXD__LEASES__UNIT__INIT, *units[] = {&unit};
    Itexd__Leases__Member member = ITEXD__LEASES__MEMBER__INIT, *members[] = {&member};

    unit.key = (char *)"0000:3a:00.0";
    unit.has_tile = member.has_pid = member.has_start_time = lease.has_id = lease.has_uid = live.has_next_lease = true;
    unit.tile = -1;
    member.pid = 17;
    member.start_time = 4711;
    lease.id = id;
    lease.uid = 1000;
    lease.n_units = lease.n_members = live.n_leases = 1;
    lease.units = units;
    lease.members = members;
    live.leases = leases;
    live.next_lease = id + 1;
    assert_int_equal(live_file_write(directory, &live), 0);
}

static uint64_t read_one(void)
{
    Itexd__Leases__Live *live;
    uint64_t id;

    assert_int_equal(live_file_read(directory, &live), 0);
    id = live->n_leases > 0 ? live->leases[0]->id : 0;
    if (id != 0) {
        assert_int_equal(live->next_lease, id + 1);
        assert_string_equal(live->leases[0]->units[0]->key, "0000:3a:00.0");
        assert_int_equal(live->leases[0]->units[0]->tile, -1);
        assert_int_equal(live->leases[0]->members[0]->start_time, 4711);
    }
    itexd__leases__live__free_unpacked(live, NULL);
    return id;
}

static size_t load(uint8_t data[4096])
{
    int fd = open(path_of("leases"), O_RDONLY);
    ssize_t size = read(fd, data, 4096);

    assert_true(fd >= 0 && size > 0);
    close(fd);
    return (size_t)size;
}

static void save(const uint8_t *data, size_t size)
{
    int fd = open(path_of("leases"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

/* Reads the file, lets somebody change the message, and writes it again with nothing set anew. */
static void rewrite(void (*change)(Itexd__Leases__Live *live))
{
    uint8_t data[4096];
    size_t size = load(data);
    Itexd__Leases__Live *live = itexd__leases__live__unpack(NULL, size, data);

    assert_non_null(live);
    change(live);
    assert_true(itexd__leases__live__get_packed_size(live) < sizeof data);
    save(data, itexd__leases__live__pack(live, data));
    itexd__leases__live__free_unpacked(live, NULL);
}

static void test_written_is_read(void **state)
{
    struct stat info;

    (void)state;
    assert_int_equal(read_one(), 0); /* no file */
    write_one(5);
    assert_int_equal(read_one(), 5);
    write_one(6);
    assert_int_equal(read_one(), 6);
    assert_int_equal(stat(path_of("leases"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(access(path_of("leases.new"), F_OK), -1);
}

static void other_boot(Itexd__Leases__Live *live)
{
    live->boot_id[0] = live->boot_id[0] == 'f' ? '0' : 'f';
}

static void other_format(Itexd__Leases__Live *live)
{
    live->format++;
    live->has_end = false; /* nothing is known of that format */
}

static void expect_damaged(void)
{
    Itexd__Leases__Live *live;

    assert_int_equal(live_file_read(directory, &live), -EBADMSG);
    assert_int_equal(access(path_of("leases"), F_OK), -1);
    assert_int_equal(unlink(path_of("leases.damaged")), 0);
}

static void test_other_boot_is_empty(void **state)
{
    (void)state;
    write_one(5);
    rewrite(other_boot);
    assert_int_equal(read_one(), 0);
    write_one(5);
    rewrite(other_format);
    rewrite(other_boot);
    assert_int_equal(read_one(), 0);
    assert_int_equal(access(path_of("leases.damaged"), F_OK), -1);
}

/* A newer version's, after it was taken back: its jobs run still. */
static void test_other_format_is_not_empty(void **state)
{
    (void)state;
    write_one(5);
    rewrite(other_format);
    expect_damaged();
}

static void test_cut_anywhere_is_damaged(void **state)
{
    uint8_t data[4096];
    size_t size;

    (void)state;
    write_one(5);
    size = load(data);
    for (size_t i = 0; i < size; i++) {
        save(data, i);
        expect_damaged();
    }
    save(data, size);
    assert_int_equal(read_one(), 5);
}

static void drop_key(Itexd__Leases__Live *live)
{
    free(live->leases[0]->units[0]->key);
    live->leases[0]->units[0]->key = NULL;
}

static void drop_start(Itexd__Leases__Live *live)
{
    live->leases[0]->members[0]->has_start_time = false;
}

static void drop_id(Itexd__Leases__Live *live)
{
    live->leases[0]->has_id = false;
}

static void grow_key(Itexd__Leases__Live *live)
{
    char *key = realloc(live->leases[0]->units[0]->key, 64);

    assert_non_null(key);
    memset(key, 'k', 63);
    key[63] = '\0';
    live->leases[0]->units[0]->key = key;
}

static void grow_tile(Itexd__Leases__Live *live)
{
    live->leases[0]->units[0]->tile = 8;
}

static void test_what_no_lease_can_be_is_damaged(void **state)
{
    void (*const changes[])(Itexd__Leases__Live * live) = {drop_key, drop_start, drop_id, grow_key, grow_tile};

    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        write_one(5);
        rewrite(changes[i]);
        expect_damaged();
    }
}

static void test_no_file_of_ours(void **state)
{
    Itexd__Leases__Live *live;

    (void)state;
    save((const uint8_t *)"hello, world\n", 13);
    expect_damaged();
    assert_int_equal(mkdir(path_of("leases"), 0700), 0);
    assert_int_equal(live_file_read(directory, &live), -EBADMSG);
    assert_int_equal(rmdir(path_of("leases.damaged")), 0);
    assert_int_equal(symlink("/etc/passwd", path_of("leases")), 0);
    assert_int_equal(live_file_read(directory, &live), -ELOOP);
    assert_int_equal(unlink(path_of("leases")), 0);
}

static void test_unwritable(void **state)
{
    Itexd__Leases__Live live = ITEXD__LEASES__LIVE__INIT;

    (void)state;
    write_one(5);
    assert_int_equal(live_file_write(path_of("missing"), &live), -ENOENT);
    assert_int_equal(live_file_write("/dev/null", &live), -ENOTDIR);
    /* The old one stays where the new one cannot be written. */
    assert_int_equal(mkdir(path_of("leases.new"), 0700), 0);
    assert_int_equal(live_file_write(directory, &live), -EISDIR);
    assert_int_equal(rmdir(path_of("leases.new")), 0);
    assert_int_equal(read_one(), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_written_is_read, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_other_boot_is_empty, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_other_format_is_not_empty, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_cut_anywhere_is_damaged, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_what_no_lease_can_be_is_damaged, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_no_file_of_ours, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_unwritable, make_directory, remove_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
