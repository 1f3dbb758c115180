//! What the server needs to prove who it is and to know who asks: a certificate, a key, tokens.

use std::fmt::Display;
use std::fs;
use std::path::Path;

/// The server's certificate, which its clients trust as it is.
pub const CERTIFICATE: &str = "server.crt";
/// The private key, of the certificate and of the service account tokens.
pub const KEY: &str = "server.key";
/// The public half of the key, by which the tokens of service accounts are checked.
pub const PUBLIC_KEY: &str = "server.pub";
/// The token file: token, user, uid, groups.
pub const TOKENS: &str = "tokens.csv";

/// Every file of credentials.
pub const FILES: [&str; 4] = [CERTIFICATE, KEY, PUBLIC_KEY, TOKENS];

/// What clients need of what was written.
pub struct Credentials {
    /// The server's certificate in DER.
    pub certificate: Vec<u8>,
}

impl Credentials {
    /// Writes fresh credentials into a folder.
    ///
    /// # Errors
    /// When a name is none, or a file cannot be written.
    pub fn write(folder: &Path, names: &[&str], user: &str, token: &str) -> Result<Self, String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let made = rcgen::generate_simple_self_signed(names).map_err(text)?;
        fs::write(folder.join(CERTIFICATE), made.cert.pem()).map_err(text)?;
        fs::write(folder.join(KEY), made.signing_key.serialize_pem()).map_err(text)?;
        fs::write(folder.join(PUBLIC_KEY), made.signing_key.public_key_pem()).map_err(text)?;
        let line = format!("{token},{user},{user},\"system:masters\"\n");
        fs::write(folder.join(TOKENS), line).map_err(text)?;
        Ok(Self { certificate: made.cert.der().to_vec() })
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}
