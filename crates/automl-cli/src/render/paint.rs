//! Colours, or none.

/// Wraps texts in terminal colours where they are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint {
    on: bool,
}

/// The few styles of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Headings and names.
    Bold,
    /// Went well.
    Good,
    /// Deserves a look.
    Warn,
    /// Went wrong.
    Bad,
    /// Of secondary interest.
    Dim,
}

impl Paint {
    /// Returns a painter that adds colours, or leaves texts alone.
    pub(crate) fn new(on: bool) -> Self {
        Paint { on }
    }

    /// Tells whether colours are added.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// Returns the text in a style.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if !self.on || text.is_empty() {
            return text.to_string();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Good => "1;32",
            Style::Warn => "1;33",
            Style::Bad => "1;31",
            Style::Dim => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_optional() {
        assert_eq!(Paint::new(false).paint(Style::Bad, "x"), "x");
        assert_eq!(Paint::new(true).paint(Style::Bad, "x"), "\x1b[1;31mx\x1b[0m");
        assert_eq!(Paint::new(true).paint(Style::Bad, ""), "");
    }
}
