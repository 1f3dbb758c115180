//! How the process ends: one enum, documented here and in `--help`.

/// The exit codes of `maestro-test`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Exit {
    /// Every scenario passed.
    Passed = 0,
    /// A safety property was broken.
    Property = 1,
    /// A run did not converge.
    NotConverged = 2,
    /// The same seed gave two different runs.
    Nondeterminism = 3,
    /// No scenario matched.
    NothingFound = 4,
    /// Something went on for ever while virtual time hardly moved.
    Spins = 5,
    /// The command line, or a scenario file, is wrong.
    Usage = 64,
    /// The kit itself failed.
    Harness = 70,
}

/// What the codes mean, for `--help`.
pub const HELP: &str = "Exit codes:
  0   every scenario passed
  1   a property was broken
  2   a run did not converge, or a step was not met
  3   the same seed gave two different runs
  4   no scenario was found, or none matched
  5   an actor or the operator went on for ever while virtual time hardly moved
  64  the command line or a scenario file is wrong
  70  the kit itself failed";

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, HELP};

    #[test]
    fn help_names_every_code() {
        let all = [
            Exit::Passed,
            Exit::Property,
            Exit::NotConverged,
            Exit::Nondeterminism,
            Exit::NothingFound,
            Exit::Spins,
            Exit::Usage,
            Exit::Harness,
        ];
        for exit in all {
            let code = format!("\n  {:<4}", exit as u8);
            assert!(HELP.contains(&code), "{exit:?}");
        }
    }
}
