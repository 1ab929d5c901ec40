//! Untrusted text on a terminal.

/// Replaces control characters other than line ends and tabs, so that the text cannot move the
/// cursor.
pub fn sanitize(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c })
        .collect()
}

/// Replaces all control characters, so that the text stays on one line.
pub fn sanitize_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: untrusted text cannot control the terminal. Method: an escape sequence, a line break.
    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(sanitize_line("a\u{1b}[2Jb\nc"), "a [2Jb c");
        assert_eq!(sanitize("a\u{1b}[2Jb\n\tc"), "a\u{fffd}[2Jb\n\tc");
    }
}
