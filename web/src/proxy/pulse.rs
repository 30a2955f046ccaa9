//! Where WebSocket frames begin in a stream of bytes that is passed on as it is, so that a ping can be put between two of
//! them. Looks at heads of frames (RFC 6455, section 5.2) and at nothing that is in them.

use std::time::Duration;

/// A ping without payload, from a server. Whoever gets it answers with a pong, which goes on to the other end: a pong that
/// nobody asked for is fine (section 5.5.3).
pub(super) const PING: &[u8] = &[0x89, 0x00];

/// Longest head of a frame: two bytes, a length of eight, a mask.
const HEAD_BYTES_MAX: usize = 14;

const CLOSE: u8 = 0x8;

/// What has passed of a stream of frames.
pub(super) struct Pulse {
    after: Duration,
    head: [u8; HEAD_BYTES_MAX],
    /// How much of a head has passed.
    have: usize,
    /// How much of a payload is still to come.
    left: u64,
    /// Nothing may follow.
    closed: bool,
}

impl Pulse {
    /// Nothing has passed. A ping is due `after` so much silence.
    pub(super) fn new(after: Duration) -> Self {
        Self { after, head: [0; HEAD_BYTES_MAX], have: 0, left: 0, closed: false }
    }

    /// How long silence lasts before a ping.
    pub(super) fn after(&self) -> Duration {
        self.after
    }

    /// Whether a frame may begin here.
    pub(super) fn may_ping(&self) -> bool {
        self.have == 0 && self.left == 0 && !self.closed
    }

    /// These bytes went by.
    pub(super) fn passed(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.left > 0 {
                let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            self.head[self.have] = byte;
            self.have += 1;
            bytes = rest;
            if self.have >= 2 && self.have == self.head_bytes() {
                self.left = self.payload_bytes();
                self.closed |= self.head[0] & 0x0f == CLOSE;
                self.have = 0;
            }
        }
    }

    fn head_bytes(&self) -> usize {
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        let length = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + mask
    }

    fn payload_bytes(&self) -> u64 {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        match self.head[1] & 0x7f {
            126 => number(&self.head[2..4]),
            127 => number(&self.head[2..10]),
            length => u64::from(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(head: &[u8], payload: usize) -> Vec<u8> {
        [head, &vec![0x55; payload]].concat()
    }

    #[test]
    fn a_ping_goes_between_frames_and_never_into_one() {
        let frames = [
            frame(&[0x81, 0], 0),
            frame(&[0x81, 5], 5),
            frame(&[0x02, 126, 1, 0], 256),
            frame(&[0x80, 127, 0, 0, 0, 0, 0, 1, 0, 1], 65_537),
            frame(&[0xc1, 0x83, 1, 2, 3, 4], 3),
            PING.to_vec(),
        ];
        let ends: Vec<usize> = frames
            .iter()
            .scan(0, |end, frame| {
                *end += frame.len();
                Some(*end)
            })
            .collect();
        let stream = frames.concat();
        for step in [1, 2, 3, 7, 1_000, stream.len()] {
            let mut pulse = Pulse::new(Duration::from_secs(1));
            assert!(pulse.may_ping());
            let mut at = 0;
            for bytes in stream.chunks(step) {
                pulse.passed(bytes);
                at += bytes.len();
                assert_eq!(pulse.may_ping(), ends.contains(&at), "{at} by {step}");
            }
        }
    }

    #[test]
    fn nothing_follows_a_close() {
        let mut pulse = Pulse::new(Duration::from_secs(1));
        pulse.passed(&[0x88, 2, 3, 0xe8]);
        assert!(!pulse.may_ping());
    }

    #[test]
    fn a_length_that_nobody_sends_costs_nothing() {
        let mut pulse = Pulse::new(Duration::from_secs(1));
        pulse.passed(&[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3]);
        assert!(!pulse.may_ping());
    }
}
