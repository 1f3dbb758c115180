//! What a cluster does by itself: the same edits on a real control plane and on the simulated one,
//! with Maestro's kubelets on both, and what became of them compared.
//!
//! [`case`] says what is edited, [`drive`] does it, [`side`] starts the clusters, [`log`] notes
//! every write, [`normal`] says what may differ, [`report`] what did.

pub mod case;
pub mod drive;
pub mod log;
pub mod normal;
pub mod report;
pub mod side;
