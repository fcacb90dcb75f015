//! The compressed form of `term_to_binary(Term, [compressed])`: 131, 80, the size, zlib.

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::error::{DecodeError, DecodeErrorKind};
use crate::limits::Limits;
use crate::tag::{COMPRESSED, VERSION_MAGIC};

/// 131, 80 and four bytes of size.
const HEADER: usize = 6;

pub(crate) fn is_compressed(bytes: &[u8]) -> bool {
    matches!(bytes, [VERSION_MAGIC, COMPRESSED, ..])
}

/// The inflated term, without 131, and how many bytes the whole took. The size must be exactly what the header declares.
pub(crate) fn inflate(bytes: &[u8], limits: &Limits) -> Result<(Bytes, usize), DecodeError> {
    let Some((header, deflated)) = bytes.split_at_checked(HEADER) else {
        return Err(DecodeErrorKind::Truncated.at(bytes.len()));
    };
    let declared = header.last_chunk::<4>().map_or(0, |size| u32::from_be_bytes(*size));
    if declared > limits.max_inflated {
        return Err(
            DecodeErrorKind::InflatedTooLarge { declared, limit: limits.max_inflated }.at(2)
        );
    }
    let declared = declared as usize;
    let mut inflated = Vec::new();
    let mut zlib = Decompress::new(true);
    loop {
        // Room grows with what has arrived, and ends one byte past the declared size so that more is noticed.
        if inflated.len() == inflated.capacity() {
            let grown = (inflated.capacity() * 2).max(4096).min(declared + 1);
            inflated.reserve_exact(grown.saturating_sub(inflated.len()).max(1));
        }
        let rest = deflated.get(zlib.total_in() as usize..).unwrap_or_default();
        let before = (zlib.total_in(), zlib.total_out());
        let status = zlib
            .decompress_vec(rest, &mut inflated, FlushDecompress::None)
            .map_err(|_| DecodeErrorKind::BadCompression("not zlib data").at(HEADER))?;
        if inflated.len() > declared {
            return Err(DecodeErrorKind::BadCompression("inflates to more than it declares").at(2));
        }
        if status == Status::StreamEnd {
            break;
        }
        if (zlib.total_in(), zlib.total_out()) == before {
            return Err(DecodeErrorKind::BadCompression("ends too early").at(bytes.len()));
        }
    }
    if inflated.len() != declared {
        return Err(DecodeErrorKind::BadCompression("inflates to less than it declares").at(2));
    }
    Ok((inflated.into(), HEADER + zlib.total_in() as usize))
}

/// The compressed form of a term without 131, or its plain form where that is not longer.
pub(crate) fn deflate(plain: Vec<u8>, level: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(plain.len() + 1);
    if let Ok(size) = u32::try_from(plain.len())
        && level > 0
    {
        out.extend_from_slice(&[VERSION_MAGIC, COMPRESSED]);
        out.extend_from_slice(&size.to_be_bytes());
        let mut zlib = Compress::new(Compression::new(u32::from(level.min(9))), true);
        let done = zlib.compress_vec(&plain, &mut out, FlushCompress::Finish);
        // The buffer has room for the plain form: what does not fit is not worth it.
        if matches!(done, Ok(Status::StreamEnd)) && out.len() < plain.len() + 1 {
            return out;
        }
        out.clear();
    }
    out.push(VERSION_MAGIC);
    out.extend_from_slice(&plain);
    out
}
