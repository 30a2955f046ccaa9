//! What an engine sends of what programs print, as lines again. An engine cuts long lines into frames and puts the time
//! before each; a transport cuts frames anywhere.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::runtime::{LogLine, LogSource};

/// Longest line in one piece, in bytes.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Lines that have begun, one for each source.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: BTreeMap<LogSource, (u64, Vec<u8>)>,
}

impl Lines {
    /// Takes a frame in, `{time} {text}`, and returns the lines that it ends.
    pub(super) fn push(&mut self, source: LogSource, frame: &[u8]) -> Vec<LogLine> {
        let mut lines = Vec::new();
        // One frame is one line or a part of one; but an engine may join several.
        for piece in frame.split_inclusive(|&byte| byte == b'\n') {
            let (at_ns, text) = split_time(piece);
            let (line_at_ns, begun) = self.begun.entry(source).or_insert_with(|| (at_ns.unwrap_or(0), Vec::new()));
            let (text, ends) = text.strip_suffix(b"\n").map_or((text, false), |text| (text, true));
            begun.extend_from_slice(text);
            let mut cut = |text: Vec<u8>| lines.push(LogLine { at_ns: *line_at_ns, source, text: Bytes::from(text) });
            while begun.len() > LINE_BYTES_MAX {
                let rest = begun.split_off(LINE_BYTES_MAX);
                cut(std::mem::replace(begun, rest));
            }
            if ends {
                let text = begun.strip_suffix(b"\r").unwrap_or(begun).to_vec();
                cut(text);
                self.begun.remove(&source);
            }
        }
        lines
    }

    /// Lines that were begun and will not be ended.
    pub(super) fn finish(&mut self) -> Vec<LogLine> {
        let begun = std::mem::take(&mut self.begun).into_iter();
        let line = |(source, (at_ns, text))| LogLine { at_ns, source, text: Bytes::from(text) };
        begun.filter(|(_, (_, text))| !text.is_empty()).map(line).collect()
    }
}

/// The time before a text, in nanoseconds since 1970, and the text.
fn split_time(frame: &[u8]) -> (Option<u64>, &[u8]) {
    let time = frame.iter().position(|&byte| byte == b' ').and_then(|end| {
        let at_ns = time_ns(std::str::from_utf8(&frame[..end]).ok()?)?;
        Some((Some(at_ns), &frame[end + 1..]))
    });
    time.unwrap_or((None, frame))
}

/// A time as engines write it, in nanoseconds since 1970; `None` if it is none, or before.
pub(super) fn time_ns(text: &str) -> Option<u64> {
    text.parse::<jiff::Timestamp>().ok()?.as_nanosecond().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "1970-01-01T00:00:01.000000002Z ";

    fn texts(lines: &[LogLine]) -> Vec<(u64, LogSource, &str)> {
        lines.iter().map(|line| (line.at_ns, line.source, std::str::from_utf8(&line.text).unwrap())).collect()
    }

    #[test]
    fn a_line_that_was_cut_is_whole_again() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(LogSource::Out, format!("{AT}one and ").as_bytes()), []);
        assert_eq!(
            texts(&lines.push(LogSource::Err, format!("{AT}oh\n").as_bytes())),
            [(1_000_000_002, LogSource::Err, "oh")]
        );
        let frame = format!("1970-01-01T00:00:02Z two\r\n{AT}three\n{AT}fo");
        let got = lines.push(LogSource::Out, frame.as_bytes());
        assert_eq!(
            texts(&got),
            [(1_000_000_002, LogSource::Out, "one and two"), (1_000_000_002, LogSource::Out, "three")]
        );
        assert_eq!(texts(&lines.finish()), [(1_000_000_002, LogSource::Out, "fo")]);
        assert_eq!(lines.finish(), []);
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let mut lines = Lines::default();
        let mut bytes = 0;
        for _ in 0..100 {
            for line in lines.push(LogSource::Out, format!("{AT}{}", "x".repeat(16 << 10)).as_bytes()) {
                assert_eq!(line.text.len(), LINE_BYTES_MAX);
                bytes += line.text.len();
            }
        }
        bytes += lines.finish().iter().map(|line| line.text.len()).sum::<usize>();
        assert_eq!(bytes, 100 * (16 << 10));
    }

    #[test]
    fn what_has_no_time_is_a_line_all_the_same() {
        let got = Lines::default().push(LogSource::Out, b"no time \xff here\n");
        assert_eq!((got[0].at_ns, &got[0].text[..]), (0, &b"no time \xff here"[..]));
    }
}
