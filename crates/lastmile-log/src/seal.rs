//! Seals and receipts: signatures over (suite, deployment, scope, author, seq, chain hash).

use lastmile_model::{AuthorId, ChainHash, Scope};

use crate::keys::{AuthorKey, Deployment, verify};
use crate::wire::{Reader, Unreadable, Writer};

/// Ed25519 over chains of SHA-256: the only suite of this version.
pub const SUITE: u8 = 1;

fn message(
    label: &[u8],
    deployment: &Deployment,
    scope: &Scope,
    author: AuthorId,
    seq: u64,
    chain: &ChainHash,
) -> Writer {
    let mut out = Writer::new();
    out.raw(label);
    out.u8(SUITE);
    out.raw(&deployment.id);
    out.scope(scope);
    out.raw(author.as_bytes());
    out.uvarint(seq);
    out.raw(chain.as_bytes());
    out
}

fn read_seq(reader: &mut Reader<'_>) -> Result<u64, Unreadable> {
    match reader.uvarint()? {
        0 => Err(Unreadable::Unknown("the commit number of a signature")),
        seq => Ok(seq),
    }
}

/// An author's signature that vouches for every commit of a log up to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The scope.
    pub scope: Scope,
    /// Whose log.
    pub author: AuthorId,
    /// Up to which commit.
    pub seq: u64,
    /// The chain hash there.
    pub chain: ChainHash,
    /// The signature.
    pub signature: [u8; 64],
}

impl Seal {
    fn message(&self, deployment: &Deployment) -> Writer {
        message(b"lastmile seal\0", deployment, &self.scope, self.author, self.seq, &self.chain)
    }

    /// Seals a log.
    #[must_use]
    pub fn sign(key: &AuthorKey, deployment: &Deployment, scope: &Scope, seq: u64, chain: ChainHash) -> Self {
        let author = key.author(deployment);
        let mut seal = Self { scope: scope.clone(), author, seq, chain, signature: [0; 64] };
        seal.signature = key.sign(seal.message(deployment).as_slice());
        seal
    }

    /// Verifies the seal with the author's public key.
    #[must_use]
    pub fn verify(&self, public: &[u8; 32], deployment: &Deployment) -> bool {
        verify(public, self.message(deployment).as_slice(), &self.signature)
    }

    /// Writes suite, seq, chain hash and signature; scope and author stand beside it wherever a seal travels.
    pub fn write(&self, out: &mut Writer) {
        out.u8(SUITE);
        out.uvarint(self.seq);
        out.raw(self.chain.as_bytes());
        out.raw(&self.signature);
    }

    /// Reads what [`Seal::write`] wrote.
    ///
    /// # Errors
    /// [`Unreadable`] when cut off or of another suite.
    pub fn read(reader: &mut Reader<'_>, scope: &Scope, author: AuthorId) -> Result<Self, Unreadable> {
        if reader.u8()? != SUITE {
            return Err(Unreadable::Unknown("the suite of a seal"));
        }
        Ok(Self {
            scope: scope.clone(),
            author,
            seq: read_seq(reader)?,
            chain: ChainHash(reader.array()?),
            signature: reader.array()?,
        })
    }
}

/// The relay's signature that it durably holds a log up to a commit: the only thing that means "uploaded".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The relay's epoch: its office author.
    pub epoch: AuthorId,
    /// The scope.
    pub scope: Scope,
    /// Whose log.
    pub author: AuthorId,
    /// Up to which commit.
    pub seq: u64,
    /// The chain hash there, which also names the branch.
    pub chain: ChainHash,
    /// The signature.
    pub signature: [u8; 64],
}

impl Receipt {
    fn message(&self, deployment: &Deployment) -> Writer {
        let mut out = message(b"lastmile receipt\0", deployment, &self.scope, self.author, self.seq, &self.chain);
        out.raw(self.epoch.as_bytes());
        out
    }

    /// Signs a receipt with the key of the relay's epoch.
    #[must_use]
    pub fn sign(
        key: &AuthorKey,
        deployment: &Deployment,
        scope: &Scope,
        author: AuthorId,
        seq: u64,
        chain: ChainHash,
    ) -> Self {
        let epoch = key.author(deployment);
        let mut receipt = Self { epoch, scope: scope.clone(), author, seq, chain, signature: [0; 64] };
        receipt.signature = key.sign(receipt.message(deployment).as_slice());
        receipt
    }

    /// Verifies the receipt with the epoch's public key.
    #[must_use]
    pub fn verify(&self, public: &[u8; 32], deployment: &Deployment) -> bool {
        verify(public, self.message(deployment).as_slice(), &self.signature)
    }

    /// Writes suite, epoch, scope, author, seq, chain hash and signature.
    pub fn write(&self, out: &mut Writer) {
        out.u8(SUITE);
        out.raw(self.epoch.as_bytes());
        out.scope(&self.scope);
        out.raw(self.author.as_bytes());
        out.uvarint(self.seq);
        out.raw(self.chain.as_bytes());
        out.raw(&self.signature);
    }

    /// Reads what [`Receipt::write`] wrote.
    ///
    /// # Errors
    /// [`Unreadable`] when cut off or of another suite.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        if reader.u8()? != SUITE {
            return Err(Unreadable::Unknown("the suite of a receipt"));
        }
        Ok(Self {
            epoch: AuthorId(reader.array()?),
            scope: reader.scope()?,
            author: AuthorId(reader.array()?),
            seq: read_seq(reader)?,
            chain: ChainHash(reader.array()?),
            signature: reader.array()?,
        })
    }
}
