//! Patterns of paths in the style of shells, turned into regular expressions.

use crate::pattern::Pattern;

/// What a single `*` may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Star {
    /// Anything within one folder's name, as in shells and `.gitignore`.
    WithinName,
    /// Anything at all, as in Python's `fnmatch`.
    Anything,
}

/// Compiles a glob that has to match a whole path: `*`, `?`, `[…]`, and `**` for any folders.
///
/// # Errors
/// What is wrong with it, for example an unpaired bracket.
pub(crate) fn compile(glob: &str, star: Star) -> Result<Pattern, String> {
    Pattern::new(&to_regex(glob, star))
}

fn to_regex(glob: &str, star: Star) -> String {
    let (one, many) = match star {
        Star::WithinName => ("[^/]", "[^/]*"),
        Star::Anything => ("(?s:.)", "(?s:.*)"),
    };
    let mut regex = String::from("^");
    let mut rest = glob.trim_start_matches("./");
    while let Some(c) = rest.chars().next() {
        let (piece, length) = if rest.starts_with("**/") {
            ("(?:.*/)?".to_string(), 3)
        } else if rest.starts_with("**") {
            (".*".to_string(), 2)
        } else {
            match (c, class_end(rest)) {
                ('*', _) => (many.to_string(), 1),
                ('?', _) => (one.to_string(), 1),
                ('[', Some(end)) => (class(&rest[1..end]), end + 1),
                _ => (regex_escape(c), c.len_utf8()),
            }
        };
        regex.push_str(&piece);
        rest = &rest[length..];
    }
    regex.push('$');
    regex
}

/// Returns where the class that a text starts with ends; `None` where it starts with none.
fn class_end(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('[')?;
    let skipped = inner.len() - inner.trim_start_matches('!').trim_start_matches(']').len();
    inner[skipped..].find(']').map(|at| at + skipped + 1)
}

fn class(inner: &str) -> String {
    let (negation, members) = match inner.strip_prefix('!') {
        Some(members) => ("^", members),
        None => ("", inner),
    };
    let escaped: String =
        members.chars().map(|c| if c == '-' { c.into() } else { regex_escape(c) }).collect();
    format!("[{negation}{escaped}]")
}

fn regex_escape(c: char) -> String {
    regex::escape(c.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(glob: &str, star: Star, matching: &[&str], others: &[&str]) {
        let pattern = compile(glob, star).unwrap();
        for path in matching {
            assert!(pattern.matches(path), "{glob} should match {path}");
        }
        for path in others {
            assert!(!pattern.matches(path), "{glob} should not match {path}");
        }
    }

    #[test]
    fn stars_stay_within_a_name() {
        let star = Star::WithinName;
        check(
            "train/*/videos/*.mp4",
            star,
            &["train/a/videos/b.mp4"],
            &["train/a/b/videos/c.mp4", "train/videos/b.mp4"],
        );
        check("**/Camera*/**", star, &["Camera1/a", "x/y/Camera/b/c"], &["camera/a", "x/Camera1"]);
        check("a?[0-9].txt", star, &["ab3.txt"], &["ab/.txt", "abx.txt"]);
        check("[!a]*", star, &["b"], &["a", "b/c"]);
    }

    #[test]
    fn stars_may_cross_folders() {
        check("Camera*", Star::Anything, &["Camera1/x/y.png"], &["a/Camera1"]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_glob_or_a_reported_error(glob in "[a-z*?!/\\[\\]\\\\.{}()^$-]{0,16}") {
            drop(compile(&glob, Star::WithinName));
            drop(compile(&glob, Star::Anything));
        }

        #[test]
        fn plain_paths_match_only_themselves(path in "[a-zä0-9/_.+()-]{1,16}") {
            prop_assume!(!path.starts_with("./"));
            let (glob, longer) = (compile(&path, Star::WithinName).unwrap(), format!("{path}x"));
            prop_assert!(glob.matches(&path) && !glob.matches(&longer));
        }
    }
}
