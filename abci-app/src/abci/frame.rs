//! Length-delimited protobuf messages on a stream: `uvarint(length) | message`.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};

use bytes::Bytes;
use prost::Message;

/// Bytes read from the stream at once; small frames cost one system call together.
const READ_BUFFER_BYTES: usize = 64 << 10;

/// Memory given to a frame before its first byte came; it then grows with what arrived, at most twofold.
const FIRST_STEP_BYTES: usize = 1 << 20;

/// Output memory kept between flushes.
const KEPT_OUTPUT_BYTES: usize = 1 << 20;

/// Why a frame could not be read; the stream has lost its framing and must be closed.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A length of zero: no message of the protocol is empty.
    #[error("frame of length 0")]
    Empty,
    /// A length above the limit.
    #[error("frame of {len} bytes, at most {max} are taken")]
    TooLong {
        /// Announced length in bytes.
        len: u64,
        /// The limit in bytes.
        max: usize,
    },
    /// A length that does not fit 64 bits.
    #[error("frame length is not a varint of 64 bits")]
    BadLength,
    /// The stream ended inside a frame.
    #[error("stream ended inside a frame")]
    Truncated,
    /// The stream failed.
    #[error("stream: {0}")]
    Io(#[from] io::Error),
}

/// Frames over a stream: read one at a time, written into a buffer until [`Framed::flush`].
pub struct Framed<S> {
    io: BufReader<S>,
    out: Vec<u8>,
    max_frame_bytes: usize,
}

impl<S: Read + Write> Framed<S> {
    /// Frames over `stream`, those read being at most `max_frame_bytes` long.
    pub fn new(stream: S, max_frame_bytes: usize) -> Self {
        Self { io: BufReader::with_capacity(READ_BUFFER_BYTES, stream), out: Vec::new(), max_frame_bytes }
    }

    /// The next frame's message, `None` where the stream ended between two frames. The bytes stand in memory of their
    /// own, so a message decoded from them shares them without a copy and holds no other frame's.
    ///
    /// # Errors
    /// [`FrameError`]; after one the stream is of no more use.
    pub fn read(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(len) = self.read_length()? else { return Ok(None) };
        if len == 0 {
            return Err(FrameError::Empty);
        }
        let max = self.max_frame_bytes;
        let len = usize::try_from(len).ok().filter(|&n| n <= max).ok_or(FrameError::TooLong { len, max })?;
        let mut body = Vec::with_capacity(next_step(0, len));
        while body.len() < len {
            let start = body.len();
            body.resize(start.saturating_add(next_step(start, len)), 0);
            let free = body.get_mut(start..).unwrap_or_default();
            self.io.read_exact(free).map_err(end_is_truncation)?;
        }
        Ok(Some(body.into()))
    }

    fn read_length(&mut self) -> Result<Option<u64>, FrameError> {
        if self.at_end()? {
            return Ok(None);
        }
        let mut len = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let mut byte = [0_u8; 1];
            self.io.read_exact(&mut byte).map_err(end_is_truncation)?;
            let [byte] = byte;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only.
            if bits.leading_zeros() < shift {
                return Err(FrameError::BadLength);
            }
            len |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(Some(len));
            }
        }
        Err(FrameError::BadLength)
    }

    fn at_end(&mut self) -> io::Result<bool> {
        loop {
            match self.io.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                filled => return filled.map(<[u8]>::is_empty),
            }
        }
    }

    /// Appends `message` to the output buffer.
    ///
    /// # Errors
    /// None in practice: the buffer grows.
    pub fn push(&mut self, message: &impl Message) -> io::Result<()> {
        message.encode_length_delimited(&mut self.out).map_err(io::Error::other)
    }

    /// Bytes in the output buffer.
    pub fn buffered(&self) -> usize {
        self.out.len()
    }

    /// Writes the output buffer to the stream.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn flush(&mut self) -> io::Result<()> {
        self.io.get_mut().write_all(&self.out)?;
        self.out.clear();
        self.out.shrink_to(KEPT_OUTPUT_BYTES);
        self.io.get_mut().flush()
    }

    /// The stream below; what was read ahead of it stays here.
    pub fn stream(&self) -> &S {
        self.io.get_ref()
    }
}

/// Bytes to make room for after `have` of a frame's `len` arrived: what a peer announces costs one
/// first step at most, what it sends twice its size.
fn next_step(have: usize, len: usize) -> usize {
    have.max(FIRST_STEP_BYTES).min(len.saturating_sub(have))
}

fn end_is_truncation(error: io::Error) -> FrameError {
    match error.kind() {
        ErrorKind::UnexpectedEof => FrameError::Truncated,
        _ => FrameError::Io(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;
    use tendermint_proto::v0_38::abci::{Request, RequestCheckTx, request};

    use super::*;

    fn framed(bytes: &[u8], max: usize) -> Framed<Cursor<Vec<u8>>> {
        Framed::new(Cursor::new(bytes.to_vec()), max)
    }

    fn check_tx(tx: Vec<u8>) -> Request {
        Request { value: Some(request::Value::CheckTx(RequestCheckTx { tx: tx.into(), r#type: 0 })) }
    }

    #[test]
    fn a_bad_frame_has_a_reason() {
        let max_u64 = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        for (name, bytes, want) in [
            ("zero length", &[0][..], "frame of length 0"),
            ("zero length, long form", &[0x80, 0x00], "frame of length 0"),
            ("one above the limit", &[0x81, 0x01], "frame of 129 bytes, at most 128 are taken"),
            ("2^64 - 1", &max_u64, "frame of 18446744073709551615 bytes, at most 128 are taken"),
            (
                "2^64",
                &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02],
                "frame length is not a varint of 64 bits",
            ),
            ("eleven bytes", &[0x80; 11], "frame length is not a varint of 64 bits"),
            ("ends in the length", &[0x80], "stream ended inside a frame"),
            ("ends before the message", &[5], "stream ended inside a frame"),
            ("ends in the message", &[5, 1, 2], "stream ended inside a frame"),
        ] {
            assert_eq!(framed(bytes, 128).read().unwrap_err().to_string(), want, "{name}");
        }
    }

    #[test]
    fn a_frame_at_the_limit_is_taken_and_the_end_between_frames_is_clean() {
        let mut bytes = vec![0x80, 0x01];
        bytes.extend([7; 128]);
        let mut framed = framed(&bytes, 128);
        assert_eq!(framed.read().unwrap().unwrap(), vec![7; 128]);
        assert!(framed.read().unwrap().is_none());
    }

    #[test]
    fn memory_follows_what_arrived_and_not_what_was_announced() {
        let mib = 1 << 20;
        for (have, len, want) in [
            (0, 10, 10),
            (0, 2048 * mib, mib),
            (mib, 2048 * mib, mib),
            (4 * mib, 2048 * mib, 4 * mib),
            (4 * mib, 5 * mib, mib),
            (10, 10, 0),
        ] {
            assert_eq!(next_step(have, len), want, "{have} of {len}");
        }
        let mut bytes = vec![0x80, 0x80, 0x80, 0x02];
        bytes.extend((0..4 * mib).map(|i| u8::try_from(i % 251).unwrap()));
        assert_eq!(framed(&bytes, 4 * mib).read().unwrap().unwrap(), bytes[4..]);
        bytes.pop();
        assert!(matches!(framed(&bytes, 4 * mib).read(), Err(FrameError::Truncated)));
    }

    #[test]
    fn the_length_is_the_one_of_cometbft() {
        let mut framed = framed(&[], 0);
        framed.push(&check_tx(vec![0xab; 300])).unwrap();
        // uvarint(306) | CheckTx = field 8, 303 bytes | tx = field 1, 300 bytes
        assert_eq!(framed.out[..8], [0xb2, 0x02, 0x42, 0xaf, 0x02, 0x0a, 0xac, 0x02]);
        assert_eq!(framed.buffered(), 2 + 306);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(txs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4_000_usize), 1..8)) {
            let requests: Vec<_> = txs.into_iter().map(check_tx).collect();
            let mut writer = framed(&[], 0);
            for request in &requests {
                writer.push(request).unwrap();
            }
            let mut reader = framed(&writer.out, 1 << 20);
            for request in &requests {
                let frame = reader.read().unwrap().unwrap();
                prop_assert_eq!(&Request::decode(frame).unwrap(), request);
            }
            prop_assert!(reader.read().unwrap().is_none());
        }

        #[test]
        fn random_bytes_end_in_a_frame_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let mut reader = framed(&bytes, 256);
            let mut total = 0;
            while let Ok(Some(frame)) = reader.read() {
                total += frame.len() + 1;
                let _ = Request::decode(frame);
            }
            prop_assert!(total <= bytes.len());
        }

        /// Valid requests with a few bytes changed reach deeper into the decoder than noise does.
        #[test]
        fn a_damaged_request_never_panics(
            tx in prop::collection::vec(any::<u8>(), 0..64),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut bytes = check_tx(tx).encode_length_delimited_to_vec();
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let mut reader = framed(&bytes, 256);
            while let Ok(Some(frame)) = reader.read() {
                let _ = Request::decode(frame);
            }
        }
    }
}
