//! Both ways, and back: what is stored, what is random, what is broken.
