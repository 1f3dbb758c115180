//! What Go's JSON decoder says of text that is no JSON.
//!
//! Source: the scanner of Go's `encoding/json`, which `sigs.k8s.io/json` shares.

/// The first thing wrong with a JSON text, in Go's words; none when it is JSON.
pub(crate) fn syntax(text: &[u8]) -> Option<String> {
    let mut scanner = Scanner { text, at: 0, depth: Vec::new() };
    scanner.value("looking for beginning of value").and_then(|()| scanner.end()).err()
}

struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    depth: Vec<u8>,
}

fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        b'\\' => "'\\\\'".to_owned(),
        0x20..=0x7e => format!("'{}'", char::from(byte)),
        // Go shows a byte as the rune of that number.
        0x80..=0xa0 | 0xad => format!("'\\u{byte:04x}'"),
        0xa1..=0xff => format!("'{}'", char::from(byte)),
        _ => format!("'\\x{byte:02x}'"),
    }
}

type Scanned = Result<(), String>;

impl Scanner<'_> {
    fn space(&mut self) {
        while self.text.get(self.at).is_some_and(|b| b" \t\r\n".contains(b)) {
            self.at += 1;
        }
    }

    fn next(&mut self) -> Result<u8, String> {
        let byte = self.text.get(self.at).copied();
        let byte = byte.ok_or_else(|| "unexpected end of JSON input".to_owned())?;
        self.at += 1;
        Ok(byte)
    }

    fn peek(&mut self) -> Result<u8, String> {
        self.space();
        let byte = self.text.get(self.at).copied();
        byte.ok_or_else(|| "unexpected end of JSON input".to_owned())
    }

    fn wrong(&self, byte: u8, context: &str) -> String {
        format!("invalid character {} {context}", quoted(byte))
    }

    fn end(&mut self) -> Scanned {
        self.space();
        match self.text.get(self.at) {
            None => Ok(()),
            Some(byte) => Err(self.wrong(*byte, "after top-level value")),
        }
    }

    fn value(&mut self, looking: &str) -> Scanned {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' => {
                let digit = self.next()?;
                if digit.is_ascii_digit() {
                    self.number(digit)
                } else {
                    Err(self.wrong(digit, "in numeric literal"))
                }
            }
            digit if digit.is_ascii_digit() => self.number(digit),
            other => Err(self.wrong(other, looking)),
        }
    }

    fn object(&mut self) -> Scanned {
        self.depth.push(b'{');
        if self.peek()? == b'}' {
            self.at += 1;
            self.depth.pop();
            return Ok(());
        }
        loop {
            let byte = self.peek()?;
            self.at += 1;
            if byte != b'"' {
                return Err(self.wrong(byte, "looking for beginning of object key string"));
            }
            self.string()?;
            let byte = self.peek()?;
            self.at += 1;
            if byte != b':' {
                return Err(self.wrong(byte, "after object key"));
            }
            self.value("looking for beginning of value")?;
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b',' => {}
                b'}' => {
                    self.depth.pop();
                    return Ok(());
                }
                other => return Err(self.wrong(other, "after object key:value pair")),
            }
        }
    }

    fn array(&mut self) -> Scanned {
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value("looking for beginning of value")?;
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b',' => {}
                b']' => return Ok(()),
                other => return Err(self.wrong(other, "after array element")),
            }
        }
    }

    fn string(&mut self) -> Scanned {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'u' => {
                        for _ in 0..4 {
                            let byte = self.next()?;
                            if !byte.is_ascii_hexdigit() {
                                let context = "in \\u hexadecimal character escape";
                                return Err(self.wrong(byte, context));
                            }
                        }
                    }
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    other => return Err(self.wrong(other, "in string escape code")),
                },
                control if control < 0x20 => {
                    return Err(self.wrong(control, "in string literal"));
                }
                _ => {}
            }
        }
    }

    fn literal(&mut self, word: &str) -> Scanned {
        for expected in word.bytes().skip(1) {
            let byte = self.next()?;
            if byte != expected {
                let context = format!("in literal {word} (expecting {})", quoted(expected));
                return Err(self.wrong(byte, &context));
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at > start
    }

    fn number(&mut self, first: u8) -> Scanned {
        if first != b'0' {
            self.digits();
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            if !self.digits() {
                let byte = self.next()?;
                return Err(self.wrong(byte, "after decimal point in numeric literal"));
            }
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !self.digits() {
                let byte = self.next()?;
                return Err(self.wrong(byte, "in exponent of numeric literal"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(syntax(text.as_bytes()).as_deref(), expected, "{text:?}");
    }

    #[test]
    fn words_of_the_scanner() {
        for text in ["{}", " [1, -2.5e3, \"a\\u00e9\", true, null] ", "0", "\"\""] {
            check(text, None);
        }
        let end = Some("unexpected end of JSON input");
        for text in ["", "{", "[1", "\"a", "tr", "{\"a\"", "-"] {
            check(text, end);
        }
        check("not: json", Some("invalid character 'o' in literal null (expecting 'u')"));
        check("x", Some("invalid character 'x' looking for beginning of value"));
        check("{a}", Some("invalid character 'a' looking for beginning of object key string"));
        check("{\"a\" 1}", Some("invalid character '1' after object key"));
        check("{\"a\":1 2}", Some("invalid character '2' after object key:value pair"));
        check("[1 2]", Some("invalid character '2' after array element"));
        check("1 2", Some("invalid character '2' after top-level value"));
        check("01", Some("invalid character '1' after top-level value"));
        check("\"\\x\"", Some("invalid character 'x' in string escape code"));
        check("\"\n\"", Some("invalid character '\\n' in string literal"));
    }
}
