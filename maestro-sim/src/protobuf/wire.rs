//! Protobuf's wire format: numbers, lengths and tags, read and written.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

/// The value of a field on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32,
    /// Wire type 3, a group: nothing that Kubernetes writes.
    Group,
}

impl Found<'_> {
    /// What the wire says that it is.
    fn number(self) -> u8 {
        match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Group => 3,
            Self::Fixed32 => 5,
        }
    }

    /// The refusal of a value of another wire type than the field's.
    pub(super) fn wrong(self, field: &str) -> String {
        format!("proto: wrong wireType = {} for field {field}", self.number())
    }
}

/// Groups inside groups that are skipped before a message is refused.
const GROUPS: usize = 32;

/// The largest number that a field may have here: Go holds it in an int32.
const LARGEST: u64 = i32::MAX.unsigned_abs() as u64;

/// A message being read.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// The message's type, for what is said of it.
    of: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8], of: &'static str) -> Self {
        Self { rest: message, of }
    }

    /// The next field, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Found<'a>)>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, wire) = self.tag()?;
        match (number, wire) {
            (_, 4) => Err(format!("proto: {}: wiretype end group for non-group", self.of)),
            (1..=LARGEST, _) => Ok(Some((number, self.found(number, wire, 0)?))),
            _ => Err(format!("proto: {}: illegal tag {number} (wire type {wire})", self.of)),
        }
    }

    fn tag(&mut self) -> Result<(u64, u64), String> {
        let tag = self.varint()?;
        Ok((tag >> 3, tag & 7))
    }

    fn found(&mut self, number: u64, wire: u64, depth: usize) -> Result<Found<'a>, String> {
        Ok(match wire {
            0 => Found::Varint(self.varint()?),
            1 => {
                let bytes = self.take(8)?;
                Found::Fixed64(bytes.iter().rev().fold(0, |all, b| all << 8 | u64::from(*b)))
            }
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| end())?;
                Found::Bytes(self.take(length)?)
            }
            3 => {
                self.skip_group(number, depth)?;
                Found::Group
            }
            5 => {
                self.take(4)?;
                Found::Fixed32
            }
            4 => return Err("proto: unexpected end of group".into()),
            other => return Err(format!("proto: illegal wireType {other}")),
        })
    }

    fn skip_group(&mut self, group: u64, depth: usize) -> Result<(), String> {
        if depth >= GROUPS {
            return Err("proto: groups are nested too deeply".into());
        }
        loop {
            let (number, wire) = self.tag()?;
            if wire == 4 {
                return match number == group {
                    true => Ok(()),
                    false => Err("proto: unexpected end of group".into()),
                };
            }
            self.found(number, wire, depth + 1)?;
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(end)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next number, without a tag: the elements of a packed list.
    pub(super) fn packed(&mut self) -> Result<Option<u64>, String> {
        if self.rest.is_empty() { Ok(None) } else { self.varint().map(Some) }
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0u64;
        for index in 0..10 {
            let (byte, rest) = self.rest.split_first().ok_or_else(end)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                return Ok(value);
            }
        }
        Err("proto: integer overflow".into())
    }
}

fn end() -> String {
    "unexpected EOF".into()
}

/// A message being written, from its end to its beginning: so the length of what is nested is
/// known before it must be written.
#[derive(Default)]
pub(super) struct Writer {
    reversed: Vec<u8>,
}

/// A place in what was written.
#[derive(Clone, Copy)]
pub(super) struct Mark(usize);

impl Writer {
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.reversed.reverse();
        self.reversed
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.reversed.len())
    }

    /// What was written since `mark` becomes a field of wire type 2.
    pub(super) fn nest(&mut self, number: u32, mark: Mark) {
        let length = self.reversed.len().saturating_sub(mark.0);
        self.number(length as u64);
        self.tag(number, 2);
    }

    pub(super) fn bytes(&mut self, number: u32, bytes: &[u8]) {
        let mark = self.mark();
        self.reversed.extend(bytes.iter().rev());
        self.nest(number, mark);
    }

    pub(super) fn varint(&mut self, number: u32, value: u64) {
        self.number(value);
        self.tag(number, 0);
    }

    pub(super) fn fixed64(&mut self, number: u32, value: u64) {
        self.reversed.extend(value.to_be_bytes());
        self.tag(number, 1);
    }

    fn tag(&mut self, number: u32, wire: u64) {
        self.number(u64::from(number) << 3 | wire);
    }

    fn number(&mut self, mut value: u64) {
        let start = self.reversed.len();
        while value >= 0x80 {
            self.reversed.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.reversed.push(value.to_le_bytes()[0]);
        self.reversed[start..].reverse();
    }
}
