//! Bytes in JSON, as Go's `encoding/base64` reads them: line ends anywhere, and after the padding,
//! do not count, nor do the bits that the last digit has too many.

/// The bytes, or the place in the text at which Go says that they are wrong.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, usize> {
    let text = text.as_bytes();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut at = 0;
    while quantum(text, &mut at, &mut bytes)? {}
    Ok(bytes)
}

/// Reads four digits, or the last ones with their padding; answers whether there may be more.
fn quantum(text: &[u8], at: &mut usize, bytes: &mut Vec<u8>) -> Result<bool, usize> {
    let (mut word, mut digits) = (0u32, 0);
    while digits < 4 {
        let Some(byte) = text.get(*at) else {
            return if digits == 0 { Ok(false) } else { Err(*at - digits) };
        };
        *at += 1;
        match (byte, digit(*byte)) {
            (_, Some(value)) => {
                word = word << 6 | value;
                digits += 1;
            }
            (b'\n' | b'\r', None) => {}
            (b'=', None) if digits > 1 => {
                padding(text, at, digits)?;
                let [_, first, second, _] = (word << (6 * (4 - digits))).to_be_bytes();
                bytes.extend_from_slice(&[first, second][..digits - 1]);
                return Ok(false);
            }
            (_, None) => return Err(*at - 1),
        }
    }
    let [_, rest @ ..] = word.to_be_bytes();
    bytes.extend_from_slice(&rest);
    Ok(true)
}

/// What has to follow the first `=` after so many digits.
fn padding(text: &[u8], at: &mut usize, digits: usize) -> Result<(), usize> {
    skip_line_ends(text, at);
    if digits == 2 {
        match text.get(*at) {
            None => return Err(text.len()),
            Some(b'=') => *at += 1,
            Some(_) => return Err(*at - 1),
        }
        skip_line_ends(text, at);
    }
    if *at < text.len() { Err(*at) } else { Ok(()) }
}

fn skip_line_ends(text: &[u8], at: &mut usize) {
    while matches!(text.get(*at), Some(b'\n' | b'\r')) {
        *at += 1;
    }
}

fn digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn bytes_are_read_as_go_reads_them() {
        let check = |text: &str, wanted: Result<&str, usize>| {
            assert_eq!(decode(text), wanted.map(|bytes| bytes.as_bytes().to_vec()), "{text:?}");
        };
        check("", Ok(""));
        check("YWJj", Ok("abc"));
        check("YWI=", Ok("ab"));
        check("YQ==", Ok("a"));
        check("YW\nJj\r\n", Ok("abc"));
        check("YQ\n=\n=\n", Ok("a"));
        check("\n", Ok(""));
        // Bits that are left over, which a strict decoder refuses.
        check("YR==", Ok("a"));
        check("a?", Err(1));
        check("YQ", Err(0));
        check("YWJjYQ", Err(4));
        check("YQ=", Err(3));
        check("YQ=a", Err(2));
        check("YQ==a", Err(4));
        check("YWI==", Err(4));
        check("=", Err(0));
        check("Y===", Err(1));
    }
}
