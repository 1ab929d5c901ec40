//! Log lines of a handler: those of the interface `log`, stdout and stderr, all within one limit.

use pylon_core::guest::{Fault, LogLevel};
use pylon_core::ports::guests::HandlerHost;
use pylon_core::sync::lock;
use std::sync::{Arc, Mutex};

/// Longer lines are split.
const LINE_BYTES_MAX: usize = 4096;

/// An output stream of the guest.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// The log of one attempt.
pub(crate) struct JobLog {
    host: Arc<dyn HandlerHost>,
    written: Mutex<Written>,
}

struct Written {
    left_bytes: u64,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl JobLog {
    pub(crate) fn new(host: Arc<dyn HandlerHost>, bytes_max: u64) -> Self {
        Self {
            host,
            written: Mutex::new(Written {
                left_bytes: bytes_max,
                out: Vec::new(),
                err: Vec::new(),
            }),
        }
    }

    pub(crate) fn line(&self, level: LogLevel, message: &str) -> Result<(), Fault> {
        lock(&self.written).take(message.len())?;
        self.host.log(level, message);
        Ok(())
    }

    pub(crate) fn stream(&self, stream: Stream, bytes: &[u8]) -> Result<(), Fault> {
        let mut written = lock(&self.written);
        written.take(bytes.len())?;
        let line = written.line_of(stream);
        line.extend_from_slice(bytes);
        while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            self.emit(stream, line.get(..end).unwrap_or_default());
            line.drain(..=end);
        }
        if line.len() >= LINE_BYTES_MAX {
            self.emit(stream, line);
            line.clear();
        }
        Ok(())
    }

    /// Writes unfinished lines, for example the message of a panic.
    pub(crate) fn flush(&self) {
        let mut written = lock(&self.written);
        for stream in [Stream::Out, Stream::Err] {
            let line = std::mem::take(written.line_of(stream));
            if !line.is_empty() {
                self.emit(stream, &line);
            }
        }
    }

    fn emit(&self, stream: Stream, line: &[u8]) {
        let level = match stream {
            Stream::Out => LogLevel::Info,
            Stream::Err => LogLevel::Warn,
        };
        self.host.log(level, &String::from_utf8_lossy(line));
    }
}

impl Written {
    fn take(&mut self, bytes: usize) -> Result<(), Fault> {
        self.left_bytes = self.left_bytes.checked_sub(bytes as u64).ok_or(Fault::HostCallBytes)?;
        Ok(())
    }

    fn line_of(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }
}
