//! Entropy and clock of a simulation: thread-local, from the seed and the virtual time.
//!
//! The standard library, `getrandom` and `jiff` reach the outside world through four libc
//! symbols. This file defines them, so that they answer from thread-local state on a simulation's
//! thread and fall through to the real ones everywhere else. It is the only file of the workspace
//! that may use `unsafe`.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_uint, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

thread_local! {
    static STREAM: Cell<Option<u64>> = const { Cell::new(None) };
    static ELAPSED_NANOS: Cell<u64> = const { Cell::new(0) };
}

/// The instant at which every simulation begins: 2025-01-01T00:00:00Z, in Unix seconds.
pub const EPOCH_SECS: i64 = 1_735_689_600;

/// Makes this thread a simulation's: entropy comes from `seed`, time starts at [`EPOCH_SECS`].
pub fn enter(seed: u64) {
    ELAPSED_NANOS.set(0);
    STREAM.set(Some(seed ^ 0x6d61_6573_7472_6f21));
}

/// Gives the thread back to the real world.
pub fn leave() {
    STREAM.set(None);
}

/// Whether this thread runs a simulation.
pub fn inside() -> bool {
    STREAM.get().is_some()
}

/// Sets the virtual time of this thread, counted from the simulation's beginning.
pub fn set_elapsed(elapsed: Duration) {
    ELAPSED_NANOS.set(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
}

/// The next word of this thread's stream; `None` outside a simulation (SplitMix64, Steele 2014).
pub fn next_word() -> Option<u64> {
    let state = STREAM.get()?.wrapping_add(0x9e37_79b9_7f4a_7c15);
    STREAM.set(Some(state));
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Some(z ^ (z >> 31))
}

/// Fills a buffer from the stream; false outside a simulation.
///
/// # Safety
/// `buffer` must be valid for `length` bytes of writes.
unsafe fn fill(buffer: *mut c_void, length: usize) -> bool {
    if !inside() {
        return false;
    }
    let mut written = 0;
    while written < length {
        let Some(word) = next_word() else { return false };
        let bytes = word.to_le_bytes();
        let count = bytes.len().min(length - written);
        // SAFETY: `written + count <= length`, and the caller vouches for the buffer.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast::<u8>().add(written), count);
        }
        written += count;
    }
    true
}

/// The next definition of a symbol after this binary's own.
fn real(cache: &AtomicPtr<c_void>, name: &std::ffi::CStr) -> *mut c_void {
    let known = cache.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    // SAFETY: the name is a C string; RTLD_NEXT is a documented pseudo handle.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    cache.store(found, Ordering::Relaxed);
    found
}

/// `getrandom(2)`.
///
/// # Safety
/// As libc's: `buffer` must be valid for `length` bytes of writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
    static REAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    // SAFETY: the caller's contract is ours.
    if unsafe { fill(buffer, length) } {
        return isize::try_from(length).unwrap_or(isize::MAX);
    }
    let next = real(&REAL, c"getrandom");
    if next.is_null() {
        // SAFETY: the system call takes the same arguments under the same contract.
        let count = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
        return isize::try_from(count).unwrap_or(-1);
    }
    // SAFETY: the symbol is libc's function of this name and signature.
    let call: unsafe extern "C" fn(*mut c_void, usize, c_uint) -> isize =
        unsafe { std::mem::transmute(next) };
    // SAFETY: the caller's contract is ours.
    unsafe { call(buffer, length, flags) }
}

/// `getentropy(3)`.
///
/// # Safety
/// As libc's: `buffer` must be valid for `length` bytes of writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getentropy(buffer: *mut c_void, length: usize) -> c_int {
    // SAFETY: the caller's contract is ours.
    let count = unsafe { getrandom(buffer, length, 0) };
    if usize::try_from(count) == Ok(length) { 0 } else { -1 }
}

/// `clock_gettime(2)`: inside a simulation every clock shows virtual time.
///
/// # Safety
/// As libc's: `time` must be valid for writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    static REAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    if inside() && !time.is_null() {
        let elapsed = ELAPSED_NANOS.get();
        let seconds = EPOCH_SECS.saturating_add_unsigned(elapsed / 1_000_000_000);
        let nanos = c_long::try_from(elapsed % 1_000_000_000).unwrap_or(0);
        // SAFETY: the caller vouches for the pointer.
        unsafe { *time = libc::timespec { tv_sec: seconds, tv_nsec: nanos } };
        return 0;
    }
    let next = real(&REAL, c"clock_gettime");
    if next.is_null() {
        // SAFETY: the system call takes the same arguments under the same contract.
        let code = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
        return c_int::try_from(code).unwrap_or(-1);
    }
    // SAFETY: the symbol is libc's function of this name and signature.
    let call: unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int =
        unsafe { std::mem::transmute(next) };
    // SAFETY: the caller's contract is ours.
    unsafe { call(clock, time) }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "that this clock is virtual is tested")]
    fn draw(seed: u64) -> (u64, u64, Duration) {
        std::thread::spawn(move || {
            enter(seed);
            set_elapsed(Duration::from_millis(1500));
            let keys = std::hash::BuildHasher::hash_one(
                &std::collections::hash_map::RandomState::new(),
                1,
            );
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (keys, next_word().unwrap_or_default(), now)
        })
        .join()
        .unwrap_or_default()
    }

    #[test]
    fn a_seed_fixes_entropy_and_clock() {
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7).0, draw(8).0);
        let began = Duration::from_secs(EPOCH_SECS.unsigned_abs());
        assert_eq!(draw(7).2, began + Duration::from_millis(1500));
        assert!(!inside(), "the test's own thread stays in the real world");
    }
}
