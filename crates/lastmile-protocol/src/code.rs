//! The stable numbers of errors.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal;)*) => {
        /// A stable error number; below 100 it ends the exchange, from 100 on it concerns one scope or one author.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $name,)*
            /// A number that this version does not know.
            Other(u16),
        }

        impl Code {
            /// Every number that this version knows, ascending.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the number on the wire.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Other(number) => number,
                }
            }

            /// Returns the code with this number.
            #[must_use]
            pub const fn from_number(number: u16) -> Self {
                match number {
                    $($number => Self::$name,)*
                    other => Self::Other(other),
                }
            }

            /// Returns the word that texts and translations use as a key.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                    Self::Other(_) => "other",
                }
            }
        }
    };
}

codes! {
    /// The two sides share no protocol version. Arguments: lowest and highest version of the speaker. Update the older app.
    VersionMismatch = 1, "version_mismatch";
    /// The peer belongs to another deployment. Check the relay address or the invite.
    WrongDeployment = 2, "wrong_deployment";
    /// A frame could not be read. Arguments: what was wrong. A fault of one of the programs, or damage on the way.
    BadFrame = 3, "bad_frame";
    /// A frame is longer than allowed, or inflates to more. Arguments: the limit in bytes.
    TooLarge = 4, "too_large";
    /// A frame of a type that the speaker does not know. Arguments: the type, the speaker's highest version. Update it.
    UnknownFrame = 5, "unknown_frame";
    /// A frame that has no place at this point of the exchange. Arguments: the frame.
    OutOfOrder = 6, "out_of_order";
    /// More bytes of batches than were granted.
    OverCredit = 7, "over_credit";
    /// Too many of something in one session. Arguments: what, the limit.
    OverLimit = 8, "over_limit";
    /// The speaker of the request has no certificate here. Arguments: the author. Enrol, or send the certificates.
    UnknownAuthor = 9, "unknown_author";
    /// The signature of the request does not verify.
    BadSignature = 10, "bad_signature";
    /// The request was signed for another relay epoch. Arguments: the present epoch. Check its certificate and repeat.
    WrongEpoch = 11, "wrong_epoch";
    /// The clock of the request is too far off. Arguments: the receiver's time in milliseconds since 1970.
    WrongClock = 12, "wrong_clock";
    /// The very same signed request was seen before. Sign a new one.
    Repeated = 13, "repeated";
    /// The author's certificate was revoked or has ended. Unsent work can still be uploaded; ask the office.
    Revoked = 14, "revoked";
    /// The enrolment token is unknown, used up or too old. Ask the office for a new invite.
    BadToken = 15, "bad_token";
    /// The receiver is busy. Repeat after the time that stands with the error.
    Busy = 16, "busy";
    /// The receiver failed. Nothing acknowledged is lost; repeat later.
    Internal = 17, "internal";
    /// The receiver cannot write: its disk is full or read-only. Repeat later.
    CannotStore = 18, "cannot_store";
    /// No file of this hash is asked for or held in a scope that the speaker may see; it does not say which. Do not ask again before
    /// the record that names it has come across.
    NotFound = 19, "not_found";
    /// The bytes are not those of the hash, or no file that is kept. Arguments: why, as a word. Repeating does not help.
    FileRefused = 20, "file_refused";

    /// The scope is unknown here or not granted to the speaker. Arguments: the scope.
    ScopeRefused = 100, "scope_refused";
    /// The scope takes uploads from the speaker and serves nothing. Arguments: the scope.
    UploadOnly = 101, "upload_only";
    /// A batch of an author without certificate. Arguments: scope, author. Send the certificates, then the log again.
    AuthorUnknown = 102, "author_unknown";
    /// A seal does not verify or does not fit. Arguments: scope, author.
    BadSeal = 103, "bad_seal";
    /// The author is over the daily quota of the receiver. Arguments: scope, author. The office can raise it.
    OverQuota = 104, "over_quota";
    /// The author has more branches than are taken without the office. Arguments: scope, author.
    TooManyBranches = 105, "too_many_branches";
    /// A batch was refused: its envelope is bad. Arguments: scope, author.
    BatchRefused = 106, "batch_refused";
    /// No common point of a forked log could be found. Arguments: scope, author. Bring it whole, e.g. in a bundle.
    NoForkPoint = 107, "no_fork_point";
}

impl Code {
    /// Tells whether the error ends the exchange.
    #[must_use]
    pub const fn is_fatal(self) -> bool {
        self.number() < 100
    }

    /// The HTTP status of a response that refuses a request with this code as a whole.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::UnknownAuthor | Self::BadSignature | Self::WrongClock | Self::Repeated => 401,
            Self::Revoked | Self::BadToken => 403,
            Self::NotFound => 404,
            Self::TooLarge => 413,
            Self::Busy | Self::Internal | Self::CannotStore => 503,
            code if code.is_fatal() => 400,
            _ => 200,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.word(), self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), *code);
        }
        assert_eq!(Code::from_number(999), Code::Other(999));
        assert!(Code::Internal.is_fatal());
        assert!(!Code::ScopeRefused.is_fatal());
        for code in Code::ALL {
            assert_eq!(code.http_status() == 200, !code.is_fatal(), "{code}");
        }
    }
}
