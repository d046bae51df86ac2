//! Where files come from and go to: a folder of this machine, or a URL of an object store.
//!
//! Credentials come from where the stores' own tools take them: the environment (`AWS_*`, `GOOGLE_*`,
//! `AZURE_*`) or the machine's identity. A URL that holds a password is refused, since URLs are recorded.

use object_store::local::LocalFileSystem;
use object_store::path::Path as StorePath;
use object_store::{ObjectStore, ObjectStoreScheme};
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;
use url::Url;

/// Schemes that need an HTTP client, which not every build has.
const CLOUD_SCHEMES: [&str; 14] = [
    "s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "http", "https", "aws", "gcs", "wasb", "wasbs",
];
/// Ends of the names of query parameters that open what a URL names.
const SIGNATURES: [&str; 4] = ["sig", "signature", "credential", "token"];
/// Other names of schemes that this project's users write.
const ALIASES: [(&str, &str); 2] = [("aws", "s3"), ("gcs", "gs")];

/// Why a place cannot be used.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// A URL that cannot be read as one.
    #[error("`{text}` is no URL: {why}; write for example s3://bucket/folder, gs://…, az://…, or a folder")]
    NotAUrl {
        /// What was given.
        text: String,
        /// What the reader says.
        why: String,
    },
    /// A store that this build cannot reach.
    #[error("`{text}`: this build reaches folders only; build with `--features cloud` for {scheme}://")]
    NoCloud {
        /// What was given.
        text: String,
        /// Its scheme.
        scheme: String,
    },
    /// A scheme that nothing here knows.
    #[error(
        "`{text}`: unknown kind of place `{scheme}`; known are folders, s3, gs, az, http, https and file"
    )]
    UnknownScheme {
        /// What was given.
        text: String,
        /// Its scheme.
        scheme: String,
    },
    /// A URL with a password, a token or a signature in it.
    #[error(
        "the URL holds a password or a signature, and URLs are recorded in clear; give credentials by environment \
         variables"
    )]
    Password,
    /// The store cannot be set up, for example for want of credentials.
    #[error("`{text}` cannot be used: {why}")]
    Setup {
        /// What was given.
        text: String,
        /// What the store says.
        why: String,
    },
}

/// A folder, or a prefix of an object store.
#[derive(Clone, Debug)]
pub struct Place {
    store: Arc<dyn ObjectStore>,
    prefix: StorePath,
    shown: String,
    is_local: bool,
}

impl Place {
    /// Opens a place: a path, or a URL. Nothing is created or contacted.
    ///
    /// # Errors
    /// A text that names no place, or one that this build cannot reach.
    pub fn open(text: &str) -> Result<Self, PlaceError> {
        let url = url_of(text)?;
        if holds_secret(&url) {
            return Err(PlaceError::Password);
        }
        let setup = |why: object_store::Error| PlaceError::Setup { text: text.into(), why: why.to_string() };
        if url.scheme() == "file" {
            let path = url.to_file_path().map_err(|()| PlaceError::NotAUrl {
                text: text.into(),
                why: "it names no file of this machine".into(),
            })?;
            let prefix = StorePath::from_absolute_path(&path).map_err(|why| setup(why.into()))?;
            // The store must not care for what is above: links and odd names there are the user's.
            let store = LocalFileSystem::new();
            return Ok(Place { store: Arc::new(store), prefix, shown: text.into(), is_local: true });
        }
        if !CLOUD_SCHEMES.contains(&url.scheme()) {
            return Err(PlaceError::UnknownScheme { text: text.into(), scheme: url.scheme().into() });
        }
        if !cfg!(feature = "cloud") {
            return Err(PlaceError::NoCloud { text: text.into(), scheme: url.scheme().into() });
        }
        let (_, prefix) = ObjectStoreScheme::parse(&url)
            .map_err(|why| PlaceError::Setup { text: text.into(), why: why.to_string() })?;
        let options = std::env::vars()
            .filter(|(name, _)| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|start| name.starts_with(start)));
        let (store, _) = object_store::parse_url_opts(&url, options).map_err(setup)?;
        Ok(Place { store: Arc::from(store), prefix, shown: text.into(), is_local: false })
    }

    /// Returns the place as the user wrote it.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Returns the place of a file below this one.
    #[must_use]
    pub fn join(&self, relative: &str) -> Place {
        let prefix = relative
            .split('/')
            .filter(|part| !part.is_empty())
            .fold(self.prefix.clone(), |p, part| p.join(part));
        let shown = format!("{}/{relative}", self.shown.trim_end_matches('/'));
        Place { store: Arc::clone(&self.store), prefix, shown, is_local: self.is_local }
    }

    /// Tells whether it is on this machine, where what fails once fails again.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    pub(crate) fn path(&self) -> &StorePath {
        &self.prefix
    }
}

/// Tells whether whoever knows the URL may do what its owner may. The users of other schemes than HTTP are containers.
fn holds_secret(url: &Url) -> bool {
    let user = ["http", "https"].contains(&url.scheme()) && !url.username().is_empty();
    let signs = |name: &str| SIGNATURES.iter().any(|ending| name.to_lowercase().ends_with(ending));
    user || url.password().is_some() || url.query_pairs().any(|(name, _)| signs(&name))
}

fn url_of(text: &str) -> Result<Url, PlaceError> {
    let wrong = |why: String| PlaceError::NotAUrl { text: text.into(), why };
    if text.trim().is_empty() {
        return Err(wrong("it is empty".into()));
    }
    match text.split_once("://") {
        None => {
            let path = std::path::absolute(Path::new(text)).map_err(|e| wrong(e.to_string()))?;
            Url::from_file_path(path).map_err(|()| wrong("it names no file of this machine".into()))
        }
        Some((scheme, rest)) => {
            let scheme = ALIASES.iter().find(|(alias, _)| *alias == scheme).map_or(scheme, |(_, name)| name);
            Url::parse(&format!("{scheme}://{rest}")).map_err(|e| wrong(e.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Place::open(text).map(|place| place.shown).unwrap_err().to_string()
    }

    #[test]
    fn folders_are_places() {
        for text in ["/data/out", "file:///data/out", "file:///data/out/"] {
            assert_eq!(Place::open(text).unwrap().join("a/b c.txt").path().as_ref(), "data/out/a/b c.txt");
        }
        assert_eq!(Place::open("/data").unwrap().join("x").shown(), "/data/x");
        assert!(Place::open("out").unwrap().path().as_ref().ends_with("/out"));
    }

    #[test]
    fn other_texts_are_explained() {
        assert!(refusal("").contains("it is empty"));
        assert!(refusal("ftp://x/y").contains("unknown kind of place `ftp`"));
        assert!(refusal("s3://").contains("s3://"));
        assert!(refusal("https://user:secret@host/x").contains("holds a password"));
        assert!(!refusal("https://user:secret@host/x").contains("secret@"));
        for url in ["https://token@host/x", "az://c/x?sv=1&sig=secret", "s3://b/x?X-Amz-Signature=secret"] {
            assert!(refusal(url).contains("a signature"), "{url}");
        }
        #[cfg(not(feature = "cloud"))]
        assert!(refusal("s3://bucket/x").contains("--features cloud"));
    }
}
