//! Where scenarios run, as `--cluster` names it.
