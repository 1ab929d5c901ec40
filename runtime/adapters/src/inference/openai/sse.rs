//! Reads server-sent events from bytes, however they are split. Total: no input panics.
//!
//! Not a library: those that there are panic at a byte order mark or drop the field `error`, in
//! which older llama.cpp servers report their errors.

/// One event is one token with its envelope.
const EVENT_BYTES_MAX: usize = 256 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The data of an event.
    Data(String),
    /// An error: an event of this type, or a field of this name.
    Error(String),
}

/// Why the stream cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SseError {
    TooLong,
    NotUtf8,
}

#[derive(Default)]
pub(super) struct SseReader {
    bytes: Vec<u8>,
    /// Bytes that were read.
    read: usize,
    /// Bytes after these that are not the end of a line.
    searched: usize,
    has_begun: bool,
    /// The last line ended with CR: a following LF belongs to it.
    after_cr: bool,
    data: Option<String>,
    is_error: bool,
}

impl SseReader {
    /// Adds bytes of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Ends the last line and the last event, which some servers do not.
    pub(super) fn close(&mut self) {
        self.push(b"\n\n");
    }

    /// The next event; `None` until more bytes are pushed.
    pub(super) fn next(&mut self) -> Result<Option<Event>, SseError> {
        while let Some((start, end)) = self.next_line() {
            let line = self.bytes.get(start..end).unwrap_or_default();
            let line = match std::mem::replace(&mut self.has_begun, true) {
                true => line,
                false => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line),
            };
            let (field, value) = split(line);
            match field {
                b"" if line.is_empty() => {
                    let is_error = std::mem::take(&mut self.is_error);
                    if let Some(data) = self.data.take() {
                        return Ok(Some(if is_error {
                            Event::Error(data)
                        } else {
                            Event::Data(data)
                        }));
                    }
                }
                b"data" => {
                    let value = text(value)?;
                    match &mut self.data {
                        Some(data) => {
                            data.push('\n');
                            data.push_str(value);
                        }
                        None => self.data = Some(value.to_owned()),
                    }
                }
                b"event" => self.is_error = value == b"error",
                b"error" => return Ok(Some(Event::Error(text(value)?.to_owned()))),
                _ => {}
            }
        }
        let pending = self.bytes.len() - self.read + self.data.as_ref().map_or(0, String::len);
        if pending > EVENT_BYTES_MAX { Err(SseError::TooLong) } else { Ok(None) }
    }

    /// The next complete line, without its end.
    fn next_line(&mut self) -> Option<(usize, usize)> {
        if self.after_cr && self.read < self.bytes.len() {
            self.after_cr = false;
            if self.bytes.get(self.read) == Some(&b'\n') {
                self.read += 1;
            }
        }
        let start = self.read;
        let from = start + self.searched;
        let rest = self.bytes.get(from..)?;
        let Some(length) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.searched += rest.len();
            return None;
        };
        let end = from + length;
        self.after_cr = self.bytes.get(end) == Some(&b'\r');
        self.read = end + 1;
        self.searched = 0;
        Some((start, end))
    }
}

/// Name and value of a field. The name of a comment is empty.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return (line, b"") };
    let (field, value) = line.split_at(colon);
    let value = value.strip_prefix(b":").unwrap_or(value);
    (field, value.strip_prefix(b" ").unwrap_or(value))
}

fn text(bytes: &[u8]) -> Result<&str, SseError> {
    std::str::from_utf8(bytes).map_err(|_| SseError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All events of a stream in these pieces.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Event>, SseError> {
        let (mut reader, mut events) = (SseReader::default(), Vec::new());
        for piece in pieces {
            reader.push(piece);
            while let Some(event) = reader.next()? {
                events.push(event);
            }
        }
        reader.close();
        while let Some(event) = reader.next()? {
            events.push(event);
        }
        Ok(events)
    }

    /// Goal: the format, with what servers make of it. Method: each form, whole and byte by byte.
    #[test]
    fn events_are_read_in_any_pieces() {
        use Event::{Data, Error};
        for (stream, expected) in [
            ("data: a\n\ndata:b\n\n", vec![Data("a".into()), Data("b".into())]),
            (
                "data: a\r\n\r\ndata: b\r\rdata: c\n\n",
                ["a", "b", "c"].map(|it| Data(it.into())).into(),
            ),
            ("\u{feff}data: a\n\n", vec![Data("a".into())]),
            ("\u{feff}\n\ndata: \u{feff}\n\n", vec![Data("\u{feff}".into())]),
            (": ping\n\nid: 7\nretry: 1\nevent: message\ndata: a\n\n", vec![Data("a".into())]),
            ("data: a\ndata: b\n\n", vec![Data("a\nb".into())]),
            ("data\n\ndata:\n\ndata: \n\n", vec![Data(String::new()); 3]),
            ("data:  日本\n\n", vec![Data(" 日本".into())]),
            ("error: full\n\n", vec![Error("full".into())]),
            (
                "event: error\ndata: full\n\ndata: a\n\n",
                vec![Error("full".into()), Data("a".into())],
            ),
            ("data: a", vec![Data("a".into())]),
            ("<html>\n\n", vec![]),
            ("", vec![]),
        ] {
            let bytes = stream.as_bytes();
            assert_eq!(read([bytes]).as_ref(), Ok(&expected), "{stream:?}");
            assert_eq!(read(bytes.chunks(1)).as_ref(), Ok(&expected), "{stream:?} byte by byte");
        }
        let long = format!("data: {}", "x".repeat(EVENT_BYTES_MAX));
        let lines = "data: x\n".repeat(EVENT_BYTES_MAX);
        assert_eq!(read([long.as_bytes()]), Err(SseError::TooLong));
        assert_eq!(read([lines.as_bytes()]), Err(SseError::TooLong));
        assert_eq!(read([b"data: \xff\n\n".as_slice()]), Err(SseError::NotUtf8));
    }

    proptest! {
        /// Goal: no input panics, and pieces make no difference. Method: bytes that are likely to
        /// be part of an event, and any others, cut anywhere.
        #[test]
        fn any_bytes_are_read(
            parts in prop::collection::vec(
                prop_oneof![
                    Just(b"data: {}".to_vec()), Just(b"error:".to_vec()), Just(b"event: error".to_vec()),
                    Just(b"\n".to_vec()), Just(b"\r".to_vec()), Just(BYTE_ORDER_MARK.to_vec()),
                    Just("日".as_bytes().to_vec()), prop::collection::vec(any::<u8>(), 0..8),
                ],
                0..40,
            ),
            size in 1_usize..9,
        ) {
            let bytes = parts.concat();
            prop_assert_eq!(read([bytes.as_slice()]), read(bytes.chunks(size)));
        }
    }
}
