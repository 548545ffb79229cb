#!/usr/bin/env python
# coding: utf-8

# In[1]:


get_ipython().run_line_magic('matplotlib', 'inline')
get_ipython().run_line_magic('env', 'ITEX_OPS_OVERRIDE=1')
get_ipython().system('nvidia-smi')


# In[2]:


import tensorflow as tf
print(tf.config.list_physical_devices('GPU'))
