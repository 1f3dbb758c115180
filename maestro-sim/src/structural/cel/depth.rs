//! How deep the parts of an expression are in each other, told from its source: what reads, checks
//! and evaluates it goes as deep.

/// The most chained operators, fields and calls that are in each other anywhere; not less than
/// there are.
pub(super) fn depth(source: &str) -> usize {
    // Of each open parenthesis, what was chained before it.
    let (mut open, mut here, mut below, mut most) = (Vec::new(), 0_usize, 0_usize, 0);
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        match first {
            '"' | '\'' => length = quoted(rest, first),
            '/' if rest.starts_with("//") => length = rest.find('\n').unwrap_or(rest.len()),
            '(' | '[' | '{' => {
                open.push(here + 1);
                below += here + 1;
                here = 0;
            }
            ')' | ']' | '}' => {
                here = open.pop().unwrap_or_default();
                below = below.saturating_sub(here);
            }
            ',' | ':' => here = 0,
            '&' | '|' if rest.starts_with("&&") || rest.starts_with("||") => here = 0,
            '.' | '+' | '-' | '*' | '/' | '%' | '!' | '?' | '<' | '>' | '=' => here += 1,
            'i' if rest.starts_with("in ") => here += 1,
            _ => {}
        }
        most = most.max(below + here);
        rest = &rest[length..];
    }
    most
}

/// The length of a text that a quote begins, or three of them.
fn quoted(rest: &str, quote: char) -> usize {
    let three = String::from(quote).repeat(3);
    let end = if rest.starts_with(&three) { three } else { String::from(quote) };
    let mut at = end.len();
    while at < rest.len() {
        let tail = &rest[at..];
        if tail.starts_with(&end) {
            return at + end.len();
        }
        let escaped = usize::from(tail.starts_with('\\'));
        at += tail.chars().take(1 + escaped).map(char::len_utf8).sum::<usize>();
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_count_and_what_is_beside_each_other_does_not() {
        let check = |source: &str, expected: usize| assert_eq!(depth(source), expected, "{source}");
        check("a", 0);
        check("a.b.c", 2);
        check("a.b && c.d && e.f", 1);
        check("[1, 2, 3, 4]", 1);
        check("a.f(b.c).g(d)", 4);
        check("((((a))))", 4);
        check("1 + 1 + 1", 2);
        check("'a.b.c' + \"d.e\"", 1);
        check("'it\\'s.a.b' + '''it's.a''' // a.b.c", 1);
        check("'", 0);
    }
}
