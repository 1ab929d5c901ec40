//! Strangers' words on a terminal.

/// What a stranger wrote cannot move the cursor: control characters but for line ends and tabs are replaced.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    /// A title bar that a stranger would like to set, and text that may pass.
    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(printable("\u{1b}]0;mine\u{7}a\tb\nc\r\u{9b}2J"), "\u{fffd}]0;mine\u{fffd}a\tb\nc\u{fffd}\u{fffd}2J");
    }
}
