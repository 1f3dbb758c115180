//! What a container's own command says of how long it runs and how it ends, where no rule says it.
//!
//! Manifests of tests and examples are full of containers that do nothing but wait, succeed or
//! fail: `sleep 300`, `sh -c "exit 42"`, `sh -c "echo done && false"`. Such a command is a
//! declaration. One that does anything else is not read any further: nobody runs it.

use std::time::Duration;

use crate::json::Value;

/// How a container ends by its own command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Does {
    /// After so long, with this code.
    Ends(Duration, i32),
    /// Never.
    Stays,
}

/// What the command of a container says; `None` for one that does something.
pub fn read(container: &Value) -> Option<Does> {
    let words = |name: &str| container.get(name).and_then(Value::as_array).into_iter().flatten();
    if words("command").next().is_none() {
        // The image says what runs, and of one it is known: it is made to do nothing for ever.
        let image = container.get("image").and_then(Value::as_str).unwrap_or("");
        let name = image.rsplit('/').next().unwrap_or("").split([':', '@']).next();
        return (name == Some("pause")).then_some(Does::Stays);
    }
    let words: Option<Vec<&str>> =
        words("command").chain(words("args")).map(Value::as_str).collect();
    let words = words?;
    let (program, arguments) = words.split_first()?;
    let program = program.rsplit('/').next().unwrap_or(program);
    if !matches!(program, "sh" | "ash" | "bash" | "dash") {
        let mut run = Run::default();
        run.statement(program, arguments)?;
        return Some(run.end());
    }
    let reads = |flag: &&&str| flag.starts_with('-') && flag.contains('c');
    let at = arguments.iter().position(|flag| reads(&flag))?;
    let flags = &arguments[..=at];
    let plain = |flag: &&str| flag.chars().all(|letter| "-ceux".contains(letter));
    let script = arguments.get(at + 1).filter(|_| flags.iter().all(plain))?;
    let mut run = Run { strict: flags.iter().any(|flag| flag.contains('e')), ..Run::default() };
    run.script(script)?;
    Some(run.end())
}

/// A script as far as it has run.
#[derive(Default)]
struct Run {
    /// Whether the first failure ends it.
    strict: bool,
    taken: Duration,
    code: i32,
    over: bool,
    stays: bool,
}

impl Run {
    fn end(self) -> Does {
        match self.stays {
            true => Does::Stays,
            false => Does::Ends(self.taken, self.code),
        }
    }

    /// Statements after each other; `None` when one of them does something.
    fn script(&mut self, script: &str) -> Option<()> {
        for line in script.split([';', '\n']) {
            let mut rest = line.trim();
            // What joins a statement to the one before it.
            let mut joined: Option<&str> = None;
            while !rest.is_empty() {
                let next =
                    ["&&", "||"].into_iter().filter_map(|by| Some((rest.find(by)?, by))).min();
                let (one, after) = match next {
                    Some((at, by)) => (&rest[..at], Some((&rest[at + 2..], by))),
                    None => (rest, None),
                };
                let words: Vec<&str> = one.split_whitespace().collect();
                let (program, arguments) = match words.split_first()? {
                    (first, others) if *first == "exec" => others.split_first()?,
                    found => found,
                };
                let skipped = match joined {
                    Some("&&") => self.code != 0,
                    Some(_) => self.code == 0,
                    None => false,
                };
                let mut tried = Self::default();
                match self.over || self.stays || skipped {
                    // What is never reached has to be readable, too: it is no other language.
                    true => tried.statement(program, arguments)?,
                    false => self.statement(program, arguments)?,
                }
                self.over |= self.strict && self.code != 0 && after.is_none();
                (rest, joined) = after.map_or(("", None), |(rest, by)| (rest.trim(), Some(by)));
            }
        }
        Some(())
    }

    fn statement(&mut self, program: &str, arguments: &[&str]) -> Option<()> {
        let words = std::iter::once(&program).chain(arguments);
        let quoted = |word: &str| word.trim_matches(['"', '\'']).to_owned();
        if words.clone().any(|word| word.contains(['$', '`', '|', '<', '>', '&', '(', ')', '*'])) {
            return None;
        }
        self.code = match (program, arguments) {
            (":" | "true", _) => 0,
            ("false", _) => 1,
            ("echo" | "printf", _) => 0,
            ("set", [flags]) if flags.starts_with(['-', '+']) => {
                if flags.contains('e') {
                    self.strict = flags.starts_with('-');
                }
                0
            }
            ("exit", []) => {
                self.over = true;
                self.code
            }
            ("exit", [code]) => {
                self.over = true;
                i32::from(code.parse::<u8>().ok()?)
            }
            ("sleep", [_, ..]) => {
                for length in arguments {
                    match length_of(&quoted(length))? {
                        Some(length) => self.taken = self.taken.saturating_add(length),
                        None => self.stays = true,
                    }
                }
                0
            }
            _ => return None,
        };
        Some(())
    }
}

/// How long `sleep` takes for a word of it; no time for ever.
fn length_of(word: &str) -> Option<Option<Duration>> {
    if matches!(word, "inf" | "infinity") {
        return Some(None);
    }
    let (number, unit) = match word.char_indices().next_back()? {
        (at, 's') => (&word[..at], 1.0),
        (at, 'm') => (&word[..at], 60.0),
        (at, 'h') => (&word[..at], 3600.0),
        (at, 'd') => (&word[..at], 86400.0),
        _ => (word, 1.0),
    };
    let plain = number.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
    let seconds = number.parse::<f64>().ok().filter(|_| plain)? * unit;
    Some(Duration::try_from_secs_f64(seconds).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_only_wait_succeed_or_fail() {
        let ends = |seconds: f64, code| Some(Does::Ends(Duration::from_secs_f64(seconds), code));
        let check = |container: &str, expected: Option<Does>| {
            let container: Value = serde_yaml::from_str(container).expect("a container");
            assert_eq!(read(&container), expected, "{container}");
        };
        check("{}", None);
        check("{args: [sleep, '5']}", None);
        check("{image: 'registry.k8s.io/pause:3.10.1'}", Some(Does::Stays));
        check("{image: 'example.com/pauses@sha256:1'}", None);
        check("{command: [zkServer.sh]}", None);
        check("{command: ['true']}", ends(0.0, 0));
        check("{command: [/bin/false]}", ends(0.0, 1));
        check("{command: [sleep, '300']}", ends(300.0, 0));
        check("{command: [sleep], args: [1.5m, '30']}", ends(120.0, 0));
        check("{command: [sleep, infinity]}", Some(Does::Stays));
        check("{command: [sleep, -5]}", None);
        check("{command: [sh, -c, exit 42]}", ends(0.0, 42));
        check("{command: [/bin/sh, -c], args: ['sleep 5; exit 3']}", ends(5.0, 3));
        check("{command: [sh, -c, 'echo a && false || exit 7']}", ends(0.0, 7));
        check("{command: [sh, -c, 'false && sleep 9']}", ends(0.0, 1));
        check("{command: [sh, -c, 'true || sleep 9']}", ends(0.0, 0));
        check("{command: [sh, -c, 'false; true']}", ends(0.0, 0));
        check("{command: [sh, -ec, 'false; true']}", ends(0.0, 1));
        check("{command: [sh, -c, \"set -e\\nfalse\\nsleep 3\"]}", ends(0.0, 1));
        check("{command: [sh, -c, 'exec sleep inf']}", Some(Does::Stays));
        check("{command: [sh, -c, 'exit 1; rm -rf /data']}", None);
        check("{command: [sh, -c, 'while true; do sleep 1; done']}", None);
        check("{command: [sh, -c, 'echo $HOME']}", None);
        check("{command: [sh, -c, 'exit $CODE']}", None);
        check("{command: [sh, script.sh]}", None);
        check("{command: [sh, -c]}", None);
    }
}
