//! The tokens of a label selector string.

/// One token, with its text for error messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    End,
    Identifier(String),
    /// One of `, ( ) ! = == != > <`.
    Symbol(&'static str),
}

impl Token {
    /// The text as it was written, empty at the end of the input.
    pub(super) fn text(&self) -> &str {
        match self {
            Token::End => "",
            Token::Identifier(text) => text,
            Token::Symbol(symbol) => symbol,
        }
    }

    pub(super) fn is(&self, symbol: &str) -> bool {
        matches!(self, Token::Symbol(s) if *s == symbol)
    }

    /// `in` and `notin` are words: they are operators only where an operator is expected.
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self, Token::Identifier(text) if text == word)
    }
}

/// Splits a selector into tokens. Every character belongs to some token, so this cannot fail.
pub(super) fn tokens(input: &str) -> Vec<Token> {
    const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];
    let mut out = Vec::new();
    let mut rest = input.trim_start();
    while !rest.is_empty() {
        if let Some(symbol) = SYMBOLS.into_iter().find(|s| rest.starts_with(s)) {
            out.push(Token::Symbol(symbol));
            rest = rest[symbol.len()..].trim_start();
            continue;
        }
        let end =
            rest.find(|c: char| c.is_whitespace() || "=!(),><".contains(c)).unwrap_or(rest.len());
        out.push(Token::Identifier(rest[..end].to_owned()));
        rest = rest[end..].trim_start();
    }
    out
}
