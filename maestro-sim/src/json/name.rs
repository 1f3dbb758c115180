//! Names of fields.

use std::borrow::{Borrow, Cow};
use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use ahash::RandomState;
use ecow::EcoString;

use crate::rng::hasher;

/// The most bytes of a text that needs no memory of its own.
const INLINE: usize = EcoString::INLINE_LIMIT;
/// The most bytes of a name that is shared: longer ones are hardly ever fields of a type.
const LONGEST_SHARED: usize = 64;
/// The most names that a thread shares. The types of all built-in kinds have fewer long ones.
const MOST_SHARED: usize = 8_192;

#[expect(clippy::disallowed_types, reason = "it is asked for texts, and never walked")]
type Shared = std::collections::HashSet<EcoString, RandomState>;

thread_local! {
    /// The long names that this thread has met. Objects are full of the same ones: each is in
    /// memory once, is at hand whenever a map is copied, and is known again by where it is.
    static SHARED: RefCell<Shared> =
        const { RefCell::new(Shared::with_hasher(hasher())) };
}

/// A text for a name, the same one in memory for most equal names.
#[inline]
fn shared(text: &str) -> EcoString {
    if text.len() <= INLINE || text.len() > LONGEST_SHARED {
        return EcoString::from(text);
    }
    // A thread that ends has none any more.
    SHARED.try_with(|shared| remembered(shared, text)).unwrap_or_else(|_| EcoString::from(text))
}

fn remembered(shared: &RefCell<Shared>, text: &str) -> EcoString {
    let mut shared = shared.borrow_mut();
    if let Some(known) = shared.get(text) {
        return known.clone();
    }
    let text = EcoString::from(text);
    if shared.len() < MOST_SHARED {
        shared.insert(text.clone());
    }
    text
}

/// The name of a field, which dereferences to its text.
///
/// Its first eight bytes are held as an integer whose order is theirs: two names that differ
/// there are told apart without looking at either text.
#[derive(Clone, Default)]
pub struct Name {
    head: u64,
    text: EcoString,
}

impl Name {
    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The text, shared.
    pub fn to_text(&self) -> EcoString {
        self.text.clone()
    }

    /// The order of this name and a text of which [`head`] is known.
    #[inline]
    pub(super) fn order(&self, head: u64, text: &str) -> Ordering {
        self.head.cmp(&head).then_with(|| rest(&self.text, text))
    }
}

/// The first eight bytes of a text as an integer, missing ones as zero: texts whose heads differ
/// are in the order of these.
#[inline]
pub(crate) const fn head(text: &str) -> u64 {
    let bytes = text.as_bytes();
    if let Some(first) = bytes.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    let missing = 8 * (8 - bytes.len() as u32);
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // What both hold is the same in both.
        let (first, last) = (u32::from_be_bytes(*first), u32::from_be_bytes(*last));
        return ((first as u64) << 32) | ((last as u64) << missing);
    }
    let mut head = 0;
    let mut at = 0;
    while at < bytes.len() {
        head |= (bytes[at] as u64) << (56 - 8 * at);
        at += 1;
    }
    head
}

/// The order of two texts, by their bytes.
///
/// Most differ in what their heads hold, and two that are equal are mostly one in memory: a call
/// to compare them costs more than either look.
#[inline]
pub(crate) fn order(a: &str, b: &str) -> Ordering {
    head(a).cmp(&head(b)).then_with(|| rest(a, b))
}

/// What of a text is past its head.
#[inline]
pub(crate) fn tail(text: &str) -> &[u8] {
    text.as_bytes().get(8..).unwrap_or_default()
}

/// The order of two texts whose heads are equal.
#[inline]
pub(crate) fn rest(a: &str, b: &str) -> Ordering {
    if a.len() <= 8 || b.len() <= 8 || (a.as_ptr() == b.as_ptr() && a.len() == b.len()) {
        // A shorter one was filled up with zeroes: what goes on is greater.
        return a.len().cmp(&b.len());
    }
    tail(a).cmp(tail(b))
}

impl Deref for Name {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        &self.text
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self
    }
}

impl PartialEq for Name {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head && rest(&self.text, &other.text).is_eq()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.order(other.head, &other.text)
    }
}

/// As the text is hashed, by which it can be found.
impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Name {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<Name> for str {
    fn eq(&self, other: &Name) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<Name> for &str {
    fn eq(&self, other: &Name) -> bool {
        *self == other.as_str()
    }
}

impl PartialEq<Name> for String {
    fn eq(&self, other: &Name) -> bool {
        self == other.as_str()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<EcoString> for Name {
    #[inline]
    fn from(text: EcoString) -> Self {
        Self { head: head(&text), text }
    }
}

impl From<&str> for Name {
    #[inline]
    fn from(text: &str) -> Self {
        shared(text).into()
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&String> for Name {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<&Self> for Name {
    fn from(name: &Self) -> Self {
        name.clone()
    }
}

impl From<Cow<'_, str>> for Name {
    fn from(text: Cow<'_, str>) -> Self {
        (*text).into()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.as_str().to_owned()
    }
}
