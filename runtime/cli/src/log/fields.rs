//! The fields of a log line, without any character that could control a terminal: they may contain
//! text of other parties.

use pylon_core::text::sanitize_line;
use std::fmt;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};

/// Formats fields as the library does, on one line.
#[derive(Default)]
pub(super) struct SanitizedFields(DefaultFields);

impl<'writer> FormatFields<'writer> for SanitizedFields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut text = String::new();
        self.0.format_fields(Writer::new(&mut text), fields)?;
        writer.write_str(&sanitize_line(&text))
    }
}
