//! The secret that lets requests in: kept in a file that only its owner can read.

use axum::http::{HeaderMap, header};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Random bytes of a token.
const BYTES: usize = 32;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A bearer token.
pub struct Token(String);

/// Why there is no token.
#[derive(Debug, Error)]
#[error("cannot keep the token in {}: {source}", path.display())]
pub struct TokenError {
    path: PathBuf,
    source: io::Error,
}

impl Token {
    /// Takes the token that an earlier server left in this file, or makes a new one. A file that others
    /// may read, or that holds no token, is replaced.
    ///
    /// # Errors
    /// If the file cannot be written, or the system has no random numbers.
    pub fn keep(path: &Path) -> Result<Self, TokenError> {
        let fail = |source| TokenError { path: path.to_path_buf(), source };
        if let Some(known) = known(path) {
            return Ok(Token(known));
        }
        let mut bytes = [0; BYTES];
        fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).map_err(fail)?;
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
        let token: String = bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect();
        write(path, &token).map_err(fail)?;
        Ok(Token(token))
    }

    /// Returns the token itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Tells whether a request knows the token. Takes the same time wherever a guess goes wrong.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, given)) = given.and_then(|text| text.split_once(' ')) else { return false };
        let given = given.trim().as_bytes();
        let pairs = given.iter().zip(self.0.as_bytes());
        let difference = pairs.fold(given.len() ^ self.0.len(), |sum, (a, b)| sum | usize::from(a ^ b));
        scheme.eq_ignore_ascii_case("bearer") && difference == 0
    }
}

fn known(path: &Path) -> Option<String> {
    let private = fs::metadata(path).ok()?.permissions().mode() & 0o077 == 0;
    let text = fs::read_to_string(path).ok()?.trim().to_string();
    let sound = text.len() == 2 * BYTES && text.bytes().all(|b| DIGITS.contains(&b));
    (private && sound).then_some(text)
}

fn write(path: &Path, token: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // A new file: the mode of an old one would stay.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(format!("{token}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn token_is_private_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/serve.token");
        let token = Token::keep(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Token::keep(&path).unwrap().text(), token.text());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let another = Token::keep(&path).unwrap();
        assert_ne!(another.text(), token.text(), "others may have read it");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn only_the_whole_token_is_admitted() {
        let token = Token("abcd".into());
        assert!(token.admits(&headers("Bearer abcd")) && token.admits(&headers("bearer abcd")));
        for wrong in ["Bearer abc", "Bearer abcde", "Bearer abce", "Basic abcd", "abcd", "Bearer "] {
            assert!(!token.admits(&headers(wrong)), "{wrong}");
        }
        assert!(!token.admits(&HeaderMap::new()));
    }
}
