//! Slow start: pods are created in rounds of 1, 2, 4, …, so that a template the server refuses
//! costs one request and not hundreds.
//!
//! Source: `slowStartBatch` in `pkg/controller/replicaset`.

use crate::api::Status;

/// Calls `create` `count` times in doubling rounds; stops after the first round with an error.
/// Returns how many calls succeeded and the first error.
pub fn slow_start(
    count: usize,
    mut create: impl FnMut(usize) -> Result<(), Box<Status>>,
) -> (usize, Option<Box<Status>>) {
    let mut done = 0;
    let mut created = 0;
    let mut round = 1;
    while done < count {
        let size = round.min(count - done);
        let mut failed = None;
        for index in done..done + size {
            match create(index) {
                Ok(()) => created += 1,
                Err(status) => failed = failed.or(Some(status)),
            }
        }
        if failed.is_some() {
            return (created, failed);
        }
        done += size;
        round *= 2;
    }
    (created, None)
}
