//! The front of a change: what a commit header repeats.

use lastmile_model::{AuthorId, ChangeHash};

use super::column::Numbers;
use super::reader::Reader;
use super::{CHANGE_CHUNK, MAGIC, Malformed, hash_chunk, spec};
use crate::change::{ChangeHeader, MAX_BYTES, MAX_OPS, MAX_START_OP};

/// Reads what a commit header repeats about a change.
///
/// It checks the chunk, its checksum and the fields it returns, and counts the operations without reading them. A
/// change that [`decode`](super::decode) refuses as not flat has a header all the same.
///
/// # Errors
/// [`Malformed`] when the bytes are not an uncompressed change by a 16-byte actor with 1 to 256 operations.
pub fn read_header(bytes: &[u8]) -> Result<ChangeHeader, Malformed> {
    read_header_hashed(bytes, hash_chunk(bytes))
}

/// Reads the header of a change whose hash was worked out before, from the same bytes.
///
/// It does not hash again: with a hash that is not that of the bytes the result is wrong.
///
/// # Errors
/// [`Malformed`], like [`read_header`].
pub fn read_header_hashed(bytes: &[u8], hash: ChangeHash) -> Result<ChangeHeader, Malformed> {
    let body = open_chunk(bytes)?;
    check_sum(bytes, &hash)?;
    let front = Front::read(body)?;
    let action = front.columns.action.ok_or(Malformed::Empty)?;
    let op_count = Numbers::count_rows(action, MAX_OPS as u64)?;
    if op_count == 0 {
        return Err(Malformed::Empty);
    }
    Ok(ChangeHeader {
        hash,
        deps: front.deps.to_vec(),
        actor: front.actor,
        seq: front.seq,
        start_op: front.start_op,
        op_count,
    })
}

/// Checks the chunk header and returns the body.
pub(super) fn open_chunk(bytes: &[u8]) -> Result<&[u8], Malformed> {
    if bytes.len() > MAX_BYTES {
        return Err(Malformed::TooLarge);
    }
    let mut reader = Reader::new(bytes);
    if reader.array::<4>()? != MAGIC {
        return Err(Malformed::NotAChange);
    }
    reader.array::<4>()?;
    match reader.byte()? {
        CHANGE_CHUNK => {}
        2 => return Err(Malformed::Compressed),
        _ => return Err(Malformed::NotAChange),
    }
    let body = reader.prefixed()?;
    if reader.is_empty() { Ok(body) } else { Err(Malformed::TrailingBytes) }
}

/// Compares the checksum of a chunk with the first four bytes of its hash.
pub(super) fn check_sum(bytes: &[u8], hash: &ChangeHash) -> Result<(), Malformed> {
    if bytes.get(4..8) == hash.0.get(..4) { Ok(()) } else { Err(Malformed::BadChecksum) }
}

/// The dependencies of a change, still as bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deps<'a>(&'a [u8]);

impl Deps<'_> {
    pub(super) fn to_vec(self) -> Vec<ChangeHash> {
        self.0.as_chunks::<32>().0.iter().map(|hash| ChangeHash(*hash)).collect()
    }
}

/// The column bytes of a change, by their specification.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Columns<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) insert: Option<&'a [u8]>,
    pub(super) action: Option<&'a [u8]>,
    pub(super) value_meta: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) pred_count: Option<&'a [u8]>,
    pub(super) pred_actor: Option<&'a [u8]>,
    pub(super) pred_counter: Option<&'a [u8]>,
    /// Whether there is a column that a flat map has not.
    pub(super) others: bool,
}

/// Everything of a change before its operations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Front<'a> {
    pub(super) deps: Deps<'a>,
    pub(super) actor: AuthorId,
    pub(super) seq: u64,
    pub(super) start_op: u64,
    pub(super) time: i64,
    pub(super) message: &'a str,
    /// The other actors, each as a length byte and 16 bytes.
    pub(super) others: &'a [[u8; 17]],
    pub(super) columns: Columns<'a>,
    pub(super) extra: &'a [u8],
}

impl<'a> Front<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let deps = read_deps(&mut reader)?;
        let actor = read_actor(&mut reader)?;
        let seq = reader.unsigned()?;
        let start_op = reader.unsigned()?;
        if seq == 0 || seq >= MAX_START_OP || start_op == 0 || start_op >= MAX_START_OP {
            return Err(Malformed::OutOfBounds);
        }
        let time = reader.signed()?;
        let message = reader.text()?;
        let count = reader.count()?;
        let others = reader.take(count.checked_mul(17).ok_or(Malformed::Truncated)?)?.as_chunks::<17>().0;
        if others.iter().any(|actor| actor[0] != 16) {
            return Err(Malformed::BadActor);
        }
        let columns = read_columns(&mut reader)?;
        Ok(Self { deps, actor, seq, start_op, time, message, others, columns, extra: reader.rest() })
    }
}

fn read_deps<'a>(reader: &mut Reader<'a>) -> Result<Deps<'a>, Malformed> {
    let count = reader.count()?;
    let bytes = reader.take(count.checked_mul(32).ok_or(Malformed::Truncated)?)?;
    if bytes.as_chunks::<32>().0.is_sorted_by(|earlier, later| earlier < later) {
        Ok(Deps(bytes))
    } else {
        Err(Malformed::DepsUnsorted)
    }
}

fn read_actor(reader: &mut Reader<'_>) -> Result<AuthorId, Malformed> {
    if reader.unsigned()? != 16 {
        return Err(Malformed::BadActor);
    }
    reader.array().map(AuthorId)
}

fn read_columns<'a>(reader: &mut Reader<'a>) -> Result<Columns<'a>, Malformed> {
    let count = reader.count()?;
    let mut lengths = *reader;
    for _ in 0..count {
        reader.unsigned()?;
        reader.unsigned()?;
    }
    let mut columns = Columns::default();
    let mut last = None;
    for _ in 0..count {
        let column = lengths.unsigned()?;
        let len = usize::try_from(lengths.unsigned()?).map_err(|_| Malformed::Truncated)?;
        if column & spec::DEFLATED != 0 {
            return Err(Malformed::Compressed);
        }
        if last >= Some(column) {
            return Err(Malformed::BadColumns);
        }
        if len == 0 {
            return Err(Malformed::NotCanonical);
        }
        last = Some(column);
        let bytes = Some(reader.take(len)?);
        match column {
            spec::KEY => columns.key = bytes,
            spec::INSERT => columns.insert = bytes,
            spec::ACTION => columns.action = bytes,
            spec::VALUE_META => columns.value_meta = bytes,
            spec::VALUE => columns.value = bytes,
            spec::PRED_COUNT => columns.pred_count = bytes,
            spec::PRED_ACTOR => columns.pred_actor = bytes,
            spec::PRED_COUNTER => columns.pred_counter = bytes,
            _ => columns.others = true,
        }
    }
    Ok(columns)
}
