//! What Go's JSON decoder says of bytes that are no JSON object.

/// Bytes of standard base64, as far as they can be read.
pub(crate) fn base64(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut word, mut bits) = (0_u32, 0);
    for byte in text.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        word = word << 6 | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(word >> bits & 0xff).unwrap_or(0));
        }
    }
    out
}

/// What is wrong with bytes that should be one JSON object, in the words of `encoding/json`.
pub(super) fn problem(bytes: &[u8]) -> String {
    crate::go_json::syntax(bytes).unwrap_or_else(|| {
        let what = match serde_json::from_slice(bytes) {
            Ok(value) => crate::typed::json_type(&value),
            Err(_) => "value",
        };
        format!("json: cannot unmarshal {what} into Go value of type map[string]interface {{}}")
    })
}
