//! Text from strangers, made safe to print.

/// The text without control characters except line ends and tabs, so that nothing moves a cursor.
pub fn sanitize(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c })
        .collect()
}

/// The text on one line, without control characters.
pub fn sanitize_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_line_breaks_are_replaced() {
        assert_eq!(sanitize_line("a\u{1b}[2Jb\nc"), "a [2Jb c");
        assert_eq!(sanitize("a\u{1b}[2Jb\n\tc"), "a\u{fffd}[2Jb\n\tc");
    }
}
