//! The frames of the lane for attachments.

use lastmile_log::wire::Writer;
use lastmile_model::Scope;

use super::payloads::Fields;
use super::{BadFrame, within};
use crate::limits::{MAX_FILE, MAX_FILES, MAX_PIECE};

/// Asks what the receiver holds of files of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesFrame {
    /// The scope.
    pub scope: Scope,
    /// SHA-256 of each file.
    pub hashes: Vec<[u8; 32]>,
}

/// What is held of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// No record that the asker may see names it here.
    Unknown,
    /// Its first so many bytes, of the asker's own upload.
    Begun(u64),
    /// All of it, durably; the relay's signature says so.
    Whole([u8; 64]),
}

/// One file of a [`HeldFrame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldFile {
    /// Its SHA-256.
    pub hash: [u8; 32],
    /// What is held of it.
    pub state: FileState,
}

/// What the speaker holds of files of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFrame {
    /// The scope.
    pub scope: Scope,
    /// The files, in the order in which they were asked for.
    pub files: Vec<HeldFile>,
}

/// Bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceFrame {
    /// The scope.
    pub scope: Scope,
    /// SHA-256 of the whole file.
    pub hash: [u8; 32],
    /// How long the whole file is.
    pub size: u64,
    /// Where in the file the bytes begin.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Asks for bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchFrame {
    /// The scope.
    pub scope: Scope,
    /// SHA-256 of the whole file.
    pub hash: [u8; 32],
    /// Where in the file the bytes are to begin.
    pub offset: u64,
    /// How many are wanted at most.
    pub limit: u64,
}

impl FilesFrame {
    pub(super) fn check(&self, kind: u8) -> Result<(), BadFrame> {
        within(kind, self.hashes.len(), "files", MAX_FILES)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.scope(&self.scope);
        out.uvarint(self.hashes.len() as u64);
        self.hashes.iter().for_each(|hash| out.raw(hash));
    }

    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Result<Self, BadFrame> {
        let scope = fields.scope()?;
        let count = fields.count("files", MAX_FILES)?;
        let hashes = (0..count).map(|_| fields.array("hash")).collect::<Result<_, _>>()?;
        Ok(Self { scope, hashes })
    }
}

impl HeldFrame {
    pub(super) fn check(&self, kind: u8) -> Result<(), BadFrame> {
        within(kind, self.files.len(), "files", MAX_FILES)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.scope(&self.scope);
        out.uvarint(self.files.len() as u64);
        for file in &self.files {
            out.raw(&file.hash);
            match &file.state {
                FileState::Unknown => out.u8(0),
                FileState::Begun(bytes) => {
                    out.u8(1);
                    out.uvarint(*bytes);
                }
                FileState::Whole(signature) => {
                    out.u8(2);
                    out.raw(signature);
                }
            }
        }
    }

    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Result<Self, BadFrame> {
        let scope = fields.scope()?;
        let count = fields.count("files", MAX_FILES)?;
        let mut files = Vec::new();
        for _ in 0..count {
            let hash = fields.array("hash")?;
            let state = match fields.u8("state")? {
                0 => FileState::Unknown,
                1 => FileState::Begun(fields.uvarint("bytes held")?),
                2 => FileState::Whole(fields.array("signature")?),
                _ => return Err(fields.malformed("state")),
            };
            files.push(HeldFile { hash, state });
        }
        Ok(Self { scope, files })
    }
}

impl PieceFrame {
    pub(super) fn check(&self, kind: u8) -> Result<(), BadFrame> {
        within(kind, self.bytes.len(), "bytes of a file", MAX_PIECE)?;
        let end = self.offset.checked_add(self.bytes.len() as u64);
        let fits = self.size <= MAX_FILE && end.is_some_and(|end| end <= self.size);
        if fits { Ok(()) } else { Err(BadFrame::Field { kind, what: "place in the file" }) }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.scope(&self.scope);
        out.raw(&self.hash);
        out.uvarint(self.size);
        out.uvarint(self.offset);
        out.raw(&self.bytes);
    }

    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Result<Self, BadFrame> {
        let (scope, hash) = (fields.scope()?, fields.array("hash")?);
        let (size, offset) = (fields.uvarint("size")?, fields.uvarint("offset")?);
        let bytes = fields.rest("bytes of a file", MAX_PIECE)?.to_vec();
        let frame = Self { scope, hash, size, offset, bytes };
        frame.check(fields.kind())?;
        Ok(frame)
    }
}

impl FetchFrame {
    pub(super) fn write(&self, out: &mut Writer) {
        out.scope(&self.scope);
        out.raw(&self.hash);
        out.uvarint(self.offset);
        out.uvarint(self.limit);
    }

    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Result<Self, BadFrame> {
        let (scope, hash) = (fields.scope()?, fields.array("hash")?);
        Ok(Self { scope, hash, offset: fields.uvarint("offset")?, limit: fields.uvarint("bytes wanted")? })
    }
}
