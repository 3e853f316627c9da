//! The payloads of all frames but the hello.

use lastmile_log::wire::{Reader, Unreadable, Writer};
use lastmile_log::{Certificate, Entry, MAX_CERTIFICATE, Receipt, Seal, Segment, Vector};
use lastmile_model::{AuthorId, ChainHash, Scope};

use super::{BadFrame, FetchFrame, FilesFrame, Frame, HeldFrame, Hello, PieceFrame, within};
use crate::code::Code;
use crate::limits::{
    MAX_CERTIFICATES, MAX_ENTRIES, MAX_ERROR_ARGUMENT, MAX_ERROR_ARGUMENTS, MAX_LABEL, MAX_POSITIONS, MAX_RECEIPTS,
    MAX_SEALS,
};
use crate::positions::Position;

/// What the speaker holds of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorFrame {
    /// The scope.
    pub scope: Scope,
    /// What is held under seals.
    pub vector: Vector,
    /// Ranges held without a seal: the segment, the last seq and the chain hash there.
    pub pending: Vec<Entry>,
}

/// Commits of one author in one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchFrame {
    /// The scope.
    pub scope: Scope,
    /// The author.
    pub author: AuthorId,
    /// Seals that vouch for the commits; of this scope and author.
    pub seals: Vec<Seal>,
    /// The packed batch, as `docs/formats.md` lays it out; compressed in itself.
    pub packed: Vec<u8>,
}

/// Positions of one author's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealsFrame {
    /// The scope.
    pub scope: Scope,
    /// The author.
    pub author: AuthorId,
    /// Seqs and the chain hashes there, ascending.
    pub positions: Vec<Position>,
}

/// Asks for a log again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The scope.
    pub scope: Scope,
    /// The segment, as the peer's vector names it, or the author's trunk.
    pub segment: Segment,
    /// The first commit wanted is the one after this seq.
    pub after: u64,
}

/// What was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorFrame {
    /// The stable number.
    pub code: Code,
    /// Details; what they are depends on the code.
    pub arguments: Vec<String>,
    /// When to try again at the earliest, in milliseconds; 0 when that is of no account.
    pub retry_after_ms: u64,
}

/// Nothing more to say for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Whether the speaker sees both sides hold the same in all scopes they share.
    pub equal: bool,
    /// Whether another round is useful.
    pub more: bool,
    /// How many of the peer's frames the speaker has handled, ends and credits not counted.
    pub handled: u64,
}

/// A signature of the speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auth {
    /// The speaker's clock, in milliseconds since 1970.
    pub time_ms: i64,
    /// 16 random bytes; on a stream the peer's challenge.
    pub nonce: [u8; 16],
    /// The Ed25519 signature.
    pub signature: [u8; 64],
}

/// Asks for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrol {
    /// The token of the invite.
    pub token: [u8; 16],
    /// The Ed25519 public key of the new author.
    pub public_key: [u8; 32],
    /// What the user calls the device.
    pub device: String,
}

/// Reads fields and says in errors where they stood.
pub(super) struct Fields<'a, 'b> {
    kind: u8,
    reader: &'b mut Reader<'a>,
}

impl<'a> Fields<'a, '_> {
    pub(super) const fn kind(&self) -> u8 {
        self.kind
    }

    pub(super) const fn malformed(&self, what: &'static str) -> BadFrame {
        BadFrame::Field { kind: self.kind, what }
    }

    fn error(&self, what: &'static str, limit: usize, error: Unreadable) -> BadFrame {
        match error {
            Unreadable::Truncated => BadFrame::Truncated,
            Unreadable::TooLong { .. } => BadFrame::TooMany { kind: self.kind, what, limit },
            _ => self.malformed(what),
        }
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, BadFrame> {
        self.reader.u8().map_err(|error| self.error(what, 0, error))
    }

    pub(super) fn uvarint(&mut self, what: &'static str) -> Result<u64, BadFrame> {
        self.reader.uvarint().map_err(|error| self.error(what, 0, error))
    }

    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], BadFrame> {
        self.reader.array().map_err(|error| self.error(what, 0, error))
    }

    pub(super) fn count(&mut self, what: &'static str, limit: usize) -> Result<usize, BadFrame> {
        self.reader.count(limit).map_err(|error| self.error(what, limit, error))
    }

    pub(super) fn bytes(&mut self, what: &'static str, limit: usize) -> Result<&'a [u8], BadFrame> {
        self.reader.bytes(limit).map_err(|error| self.error(what, limit, error))
    }

    pub(super) fn text(&mut self, what: &'static str, limit: usize) -> Result<String, BadFrame> {
        self.reader.text(limit).map(str::to_owned).map_err(|error| self.error(what, limit, error))
    }

    pub(super) fn scope(&mut self) -> Result<Scope, BadFrame> {
        self.reader.scope().map_err(|error| self.error("scope", 0, error))
    }

    /// Takes what is left of the payload.
    pub(super) fn rest(&mut self, what: &'static str, limit: usize) -> Result<&'a [u8], BadFrame> {
        within(self.kind, self.reader.len(), what, limit)?;
        self.read(what, |reader| reader.take(reader.len()))
    }

    fn read<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Unreadable>,
    ) -> Result<T, BadFrame> {
        read(self.reader).map_err(|error| self.error(what, 0, error))
    }

    fn segment(&mut self) -> Result<Segment, BadFrame> {
        let author = AuthorId(self.array("author")?);
        let start = self.uvarint("segment")?;
        let first = if start > 0 { ChainHash(self.array("segment")?) } else { ChainHash::ZERO };
        Ok(Segment { author, start, first })
    }

    fn certificates(&mut self) -> Result<Vec<Certificate>, BadFrame> {
        let count = self.count("certificates", MAX_CERTIFICATES)?;
        (0..count)
            .map(|_| {
                let bytes = self.bytes("bytes of certificate", MAX_CERTIFICATE)?;
                Certificate::decode(bytes).map_err(|error| self.error("certificate", 0, error))
            })
            .collect()
    }
}

fn put_segment(out: &mut Writer, segment: &Segment) {
    out.raw(segment.author.as_bytes());
    out.uvarint(segment.start);
    if segment.start > 0 {
        out.raw(segment.first.as_bytes());
    }
}

fn put_certificates(out: &mut Writer, certificates: &[Certificate]) {
    out.uvarint(certificates.len() as u64);
    for certificate in certificates {
        out.bytes(&certificate.encode());
    }
}

impl Frame {
    pub(super) fn payload(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        let out = &mut writer;
        match self {
            Self::Hello(hello) => hello.write(out),
            Self::Vector(frame) => frame.write(out),
            Self::Batch(frame) => frame.write(out),
            Self::Receipts(receipts) => {
                out.uvarint(receipts.len() as u64);
                receipts.iter().for_each(|receipt| receipt.write(out));
            }
            Self::Certificates(certificates) | Self::Enrolled(certificates) => put_certificates(out, certificates),
            Self::Seals(frame) => frame.write(out),
            Self::Want(want) => {
                out.scope(&want.scope);
                put_segment(out, &want.segment);
                out.uvarint(want.after);
            }
            Self::Credit(bytes) => out.uvarint(*bytes),
            Self::Error(frame) => frame.write(out),
            Self::End(end) => {
                out.u8(u8::from(end.equal) | (u8::from(end.more) << 1));
                out.uvarint(end.handled);
            }
            Self::Auth(auth) => {
                out.uvarint(auth.time_ms.max(0).cast_unsigned());
                out.raw(&auth.nonce);
                out.raw(&auth.signature);
            }
            Self::Enrol(enrol) => {
                out.raw(&enrol.token);
                out.raw(&enrol.public_key);
                out.bytes(enrol.device.as_bytes());
            }
            Self::Files(frame) => frame.write(out),
            Self::Held(frame) => frame.write(out),
            Self::Piece(frame) => frame.write(out),
            Self::Fetch(frame) => frame.write(out),
        }
        writer.finish()
    }

    pub(super) fn read_payload(kind: u8, payload: &[u8]) -> Result<Self, BadFrame> {
        let mut reader = Reader::new(payload);
        let fields = &mut Fields { kind, reader: &mut reader };
        let frame = match kind {
            1 => Self::Hello(Hello::read(fields)?),
            2 => Self::Vector(VectorFrame::read(fields)?),
            3 => Self::Batch(BatchFrame::read(fields)?),
            4 => {
                let count = fields.count("receipts", MAX_RECEIPTS)?;
                Self::Receipts((0..count).map(|_| fields.read("receipt", Receipt::read)).collect::<Result<_, _>>()?)
            }
            5 => Self::Certificates(fields.certificates()?),
            6 => Self::Seals(SealsFrame::read(fields)?),
            7 => {
                let (scope, segment) = (fields.scope()?, fields.segment()?);
                Self::Want(Want { scope, segment, after: fields.uvarint("seq")? })
            }
            8 => Self::Credit(fields.uvarint("credit")?),
            9 => Self::Error(ErrorFrame::read(fields)?),
            10 => {
                let flags = fields.u8("flags")?;
                if flags > 3 {
                    return Err(fields.malformed("flags"));
                }
                let handled = fields.uvarint("count")?;
                Self::End(End { equal: flags & 1 != 0, more: flags & 2 != 0, handled })
            }
            11 => {
                let time_ms = i64::try_from(fields.uvarint("time")?).map_err(|_| fields.malformed("time"))?;
                Self::Auth(Auth { time_ms, nonce: fields.array("nonce")?, signature: fields.array("signature")? })
            }
            12 => Self::Enrol(Enrol {
                token: fields.array("token")?,
                public_key: fields.array("public key")?,
                device: fields.text("bytes of device label", MAX_LABEL)?,
            }),
            13 => Self::Enrolled(fields.certificates()?),
            14 => Self::Files(FilesFrame::read(fields)?),
            15 => Self::Held(HeldFrame::read(fields)?),
            16 => Self::Piece(PieceFrame::read(fields)?),
            17 => Self::Fetch(FetchFrame::read(fields)?),
            _ => return Err(BadFrame::UnknownType { kind }),
        };
        if reader.is_empty() { Ok(frame) } else { Err(BadFrame::Trailing { kind }) }
    }
}

impl VectorFrame {
    pub(super) fn check(&self, kind: u8) -> Result<(), BadFrame> {
        within(kind, self.vector.len().max(self.pending.len()), "entries", MAX_ENTRIES)
    }

    fn write(&self, out: &mut Writer) {
        out.scope(&self.scope);
        self.vector.write(out);
        out.uvarint(self.pending.len() as u64);
        for entry in &self.pending {
            put_segment(out, &entry.segment);
            out.uvarint(entry.seq);
            out.raw(entry.chain.as_bytes());
        }
    }

    fn read(fields: &mut Fields<'_, '_>) -> Result<Self, BadFrame> {
        let scope = fields.scope()?;
        let vector = fields.read("vector", Vector::read)?;
        let count = fields.count("entries", MAX_ENTRIES)?;
        let mut pending = Vec::new();
        for _ in 0..count {
            let segment = fields.segment()?;
            let seq = fields.uvarint("seq")?;
            pending.push(Entry { segment, seq, chain: ChainHash(fields.array("chain hash")?) });
        }
        let frame = Self { scope, vector, pending };
        frame.check(fields.kind)?;
        Ok(frame)
    }
}

impl BatchFrame {
    pub(super) fn check(&self, kind: u8) -> Result<(), BadFrame> {
        within(kind, self.seals.len(), "seals", MAX_SEALS)
    }

    fn write(&self, out: &mut Writer) {
        out.scope(&self.scope);
        out.raw(self.author.as_bytes());
        out.uvarint(self.seals.len() as u64);
        self.seals.iter().for_each(|seal| seal.write(out));
        out.raw(&self.packed);
    }

    fn read(fields: &mut Fields<'_, '_>) -> Result<Self, BadFrame> {
        let (scope, author) = (fields.scope()?, AuthorId(fields.array("author")?));
        let count = fields.count("seals", MAX_SEALS)?;
        let seals = (0..count)
            .map(|_| fields.read("seal", |reader| Seal::read(reader, &scope, author)))
            .collect::<Result<_, _>>()?;
        let packed = fields.read("batch", |reader| reader.take(reader.len()))?.to_vec();
        Ok(Self { scope, author, seals, packed })
    }
}

impl SealsFrame {
    pub(super) fn check(&self, kind: u8) -> Result<(), BadFrame> {
        within(kind, self.positions.len(), "positions", MAX_POSITIONS)
    }

    fn write(&self, out: &mut Writer) {
        out.scope(&self.scope);
        out.raw(self.author.as_bytes());
        out.uvarint(self.positions.len() as u64);
        for (seq, chain) in &self.positions {
            out.uvarint(*seq);
            out.raw(chain.as_bytes());
        }
    }

    fn read(fields: &mut Fields<'_, '_>) -> Result<Self, BadFrame> {
        let (scope, author) = (fields.scope()?, AuthorId(fields.array("author")?));
        let count = fields.count("positions", MAX_POSITIONS)?;
        let mut positions: Vec<Position> = Vec::new();
        for _ in 0..count {
            let position = (fields.uvarint("seq")?, ChainHash(fields.array("chain hash")?));
            if positions.last().is_some_and(|last| *last >= position) {
                return Err(fields.malformed("order of positions"));
            }
            positions.push(position);
        }
        Ok(Self { scope, author, positions })
    }
}

impl ErrorFrame {
    pub(super) fn check(&self, kind: u8) -> Result<(), BadFrame> {
        within(kind, self.arguments.len(), "arguments", MAX_ERROR_ARGUMENTS)?;
        let longest = self.arguments.iter().map(String::len).max().unwrap_or_default();
        within(kind, longest, "bytes of argument", MAX_ERROR_ARGUMENT)
    }

    fn write(&self, out: &mut Writer) {
        out.uvarint(u64::from(self.code.number()));
        out.uvarint(self.retry_after_ms);
        out.uvarint(self.arguments.len() as u64);
        self.arguments.iter().for_each(|argument| out.bytes(argument.as_bytes()));
    }

    fn read(fields: &mut Fields<'_, '_>) -> Result<Self, BadFrame> {
        let number = u16::try_from(fields.uvarint("code")?).map_err(|_| fields.malformed("code"))?;
        let retry_after_ms = fields.uvarint("time")?;
        let count = fields.count("arguments", MAX_ERROR_ARGUMENTS)?;
        let arguments =
            (0..count).map(|_| fields.text("bytes of argument", MAX_ERROR_ARGUMENT)).collect::<Result<_, _>>()?;
        Ok(Self { code: Code::from_number(number), arguments, retry_after_ms })
    }
}

impl Enrol {
    pub(super) fn check(&self, kind: u8) -> Result<(), BadFrame> {
        within(kind, self.device.len(), "bytes of device label", MAX_LABEL)
    }
}
