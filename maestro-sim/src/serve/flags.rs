//! Command lines of the programs that are stood in for, read as those read them.
//!
//! Each flag of a program stands in a table with what becomes of it here. What a program does not
//! know, it refuses; what it knows and is not simulated is accepted and told, unless it decides who
//! may do what: then a suite would be judged by other rules than it set.
//!
//! Source: `github.com/spf13/pflag`, `k8s.io/component-base/cli/flag`, and for etcd Go's `flag`.

use std::collections::BTreeMap;

/// A program that is stood in for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    /// kube-apiserver.
    ApiServer,
    /// etcd.
    Etcd,
}

/// What becomes of a flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// It is done.
    Heeded,
    /// It concerns what is not there, as a disk, or how it is done, as a cache.
    Moot,
    /// It is not done, and that is told.
    Unheeded,
    /// Without it, something else would be tested than is meant.
    Refused,
}

struct Known {
    name: &'static str,
    /// Whether it may stand without a value.
    switch: bool,
    fate: Fate,
}

/// Why a command line is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FlagError {
    /// The program itself knows no such flag.
    #[error("unknown flag: --{0}")]
    Unknown(String),
    /// The value is missing.
    #[error("flag needs an argument: --{0}")]
    NoValue(String),
    /// Neither a flag nor a flag's value.
    #[error("unknown command {0:?}")]
    Stray(String),
    /// A value that is none.
    #[error("invalid argument {value:?} for \"--{name}\": {why}")]
    Value {
        /// The flag.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// What is not simulated, and cannot be left out.
    #[error("--{0} is not simulated, and without it others than meant would be let in")]
    Refused(String),
}

/// The flags that a program was started with.
#[derive(Clone, Default, Debug)]
pub struct Flags {
    values: BTreeMap<&'static str, Vec<String>>,
    unheeded: Vec<&'static str>,
}

impl Program {
    /// Its name, by which people start it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiServer => "kube-apiserver",
            Self::Etcd => "etcd",
        }
    }

    fn known(self) -> impl Iterator<Item = Known> {
        let table = match self {
            Self::ApiServer => include_str!("flags/kube-apiserver.txt"),
            Self::Etcd => include_str!("flags/etcd.txt"),
        };
        table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let mut words = line.split(' ');
            let (name, kind, fate) = (words.next()?, words.next()?, words.next()?);
            let fate = match fate {
                "heeded" => Fate::Heeded,
                "moot" => Fate::Moot,
                "unheeded" => Fate::Unheeded,
                _ => Fate::Refused,
            };
            Some(Known { name, switch: kind == "switch", fate })
        })
    }

    /// What `--help` prints. Suites look there for flags that not every version has, each at the
    /// beginning of a line.
    pub fn help(self) -> String {
        let name = self.name();
        let mut text = format!(
            "{name}, simulated by maestro-sim: everything is in memory, and ends with it.\n\n\
             Usage:\n  {name} [flags]\n"
        );
        for (fate, title) in [
            (Fate::Heeded, "Flags that are heeded"),
            (Fate::Moot, "Flags that mean nothing here, and are accepted"),
            (Fate::Unheeded, "Flags that are not simulated; each is accepted, and told on stderr"),
            (Fate::Refused, "Flags that are not simulated, and refused"),
        ] {
            text.push_str(&format!("\n{title}:\n"));
            for known in self.known().filter(|known| known.fate == fate) {
                text.push_str(&format!("      --{}\n", known.name));
            }
        }
        text
    }

    /// Reads a command line without the program's own name.
    ///
    /// # Errors
    /// With the flag that is wrong, in the words of the program.
    pub fn parse(self, arguments: &[String]) -> Result<Flags, FlagError> {
        let known: BTreeMap<_, _> = self.known().map(|known| (known.name, known)).collect();
        let mut flags = Flags::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let Some(flag) = argument.strip_prefix('-') else {
                return Err(FlagError::Stray(argument.clone()));
            };
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            let name = match name {
                "h" => "help".to_owned(),
                // Both spellings are one.
                name => name.replace('_', "-"),
            };
            let Some(Known { name, switch, fate }) = known.get(name.as_str()) else {
                return Err(FlagError::Unknown(name));
            };
            let value = match value {
                Some(value) => value,
                None if *switch => "true".to_owned(),
                None => {
                    let next = arguments.next();
                    next.cloned().ok_or_else(|| FlagError::NoValue((*name).to_owned()))?
                }
            };
            match fate {
                Fate::Heeded | Fate::Moot => {}
                // Said as it is without being said.
                Fate::Unheeded | Fate::Refused if value.is_empty() => {}
                Fate::Unheeded if flags.unheeded.contains(name) => {}
                Fate::Unheeded => flags.unheeded.push(name),
                Fate::Refused => return Err(FlagError::Refused((*name).to_owned())),
            }
            flags.values.entry(name).or_default().push(value);
        }
        Ok(flags)
    }
}

impl Flags {
    /// What was given that is not simulated.
    pub fn unheeded(&self) -> &[&'static str] {
        &self.unheeded
    }

    /// The last value of a flag, which is the one that holds.
    pub fn text(&self, name: &str) -> Option<&str> {
        let last = self.values.get(name)?.last()?;
        (!last.is_empty()).then_some(last)
    }

    /// All values of a flag, each of which may be a list with commas.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.values.get(name).into_iter().flatten();
        values.flat_map(|value| value.split(',')).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Whether a switch is on, which is so by itself or not.
    ///
    /// # Errors
    /// When it is given as something else than a truth.
    pub fn is_on(&self, name: &'static str, otherwise: bool) -> Result<bool, FlagError> {
        match self.text(name) {
            None => Ok(otherwise),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some(value) => Err(wrong(name, value, "strconv.ParseBool: invalid syntax")),
        }
    }

    /// A value of a type.
    ///
    /// # Errors
    /// When it is not of that type.
    pub fn read<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>, FlagError>
    where
        T::Err: std::fmt::Display,
    {
        let read = |text: &str| text.parse::<T>().map_err(|why| wrong(name, text, why));
        self.text(name).map(read).transpose()
    }
}

/// A value that cannot be what it should.
pub(super) fn wrong(name: &'static str, value: &str, why: impl std::fmt::Display) -> FlagError {
    FlagError::Value { name, value: value.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_read_as_the_programs_read_them() {
        let check = |line: &str, expected: Result<&[&str], FlagError>| {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let found = Program::ApiServer.parse(&arguments).map(|flags| {
                let all: Vec<&str> = flags.list("enable-admission-plugins").collect();
                all.into_iter().map(str::to_owned).collect::<Vec<_>>()
            });
            let expected = expected.map(|all| all.iter().map(|s| (*s).to_owned()).collect());
            assert_eq!(found, expected, "{line}");
        };
        let flag = "--enable-admission-plugins";
        check(&format!("{flag}=A,B {flag} C --secure_port=1"), Ok(&["A", "B", "C"]));
        check("--enable_admission_plugins=A --profiling", Ok(&["A"]));
        check("--profiling=false -v=4", Ok(&[]));
        check("--authorization-config=", Ok(&[]));
        check("--authorization-config=a", Err(FlagError::Refused("authorization-config".into())));
        check("--insecure-port=0", Err(FlagError::Unknown("insecure-port".into())));
        check("--secure-port", Err(FlagError::NoValue("secure-port".into())));
        check("--profiling a", Err(FlagError::Stray("a".into())));
    }

    #[test]
    fn what_is_not_simulated_is_told_once() {
        let arguments = ["--audit-log-path=a", "--audit-log-path=b", "--v=2"].map(str::to_owned);
        let flags = Program::ApiServer.parse(&arguments).expect("known flags");
        assert_eq!(flags.unheeded(), ["audit-log-path"]);
        assert_eq!(flags.text("audit-log-path"), Some("b"));
    }

    #[test]
    fn help_names_each_flag_at_the_beginning_of_a_line() {
        for (program, flag, has) in [
            (Program::Etcd, "unsafe-no-fsync", true),
            (Program::ApiServer, "insecure-port", false),
            (Program::ApiServer, "client-ca-file", true),
        ] {
            let line = format!("--{flag}");
            let found = program.help().lines().any(|text| text.trim_start() == line);
            assert_eq!(found, has, "{flag}");
        }
    }
}
