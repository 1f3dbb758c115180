//! Memory in small pages.
//!
//! Where the kernel gives an allocator that asks for it memory two megabytes at a time, every new
//! piece is zeroed as a whole, and what is short-lived lies far apart: with 150,000 pods stored, a
//! write through `kube::Client` takes half as long again. Programs that are started afterwards
//! inherit the setting, so it is for those that simulate and start none.

/// Has the kernel give this process small pages from now on. Where it cannot, all is as before.
pub fn small() {
    // It costs time and nothing else.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
