//! The operator against a fake API server: as a function, and as the program that is shipped.

mod fake;
mod life;
mod program;
