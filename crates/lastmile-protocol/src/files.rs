//! The lane for attachments (`POST /v1/files`): requests beside the sync, each of one question.
//!
//! A request is a hello without scopes, certificates if the relay does not know the speaker, one frame that asks or brings, and an auth
//! frame. The answer is a held or a piece frame and an end frame, or what [`error_response`](crate::enrol::error_response) writes.

use lastmile_log::{AuthorKey, Certificate, Deployment};
use lastmile_model::AuthorId;

use crate::enrol::whole_frames;
use crate::frame::{BadFrame, End, ErrorFrame, FetchFrame, FilesFrame, Frame, HeldFrame, Hello, PieceFrame};
use crate::limits::MAX_FRAME;
use crate::request::{BadRequest, SignedRequest, sign_body};
use crate::{MAX_VERSION, MIN_VERSION};

/// The one question of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// What is held.
    Files(FilesFrame),
    /// Takes bytes.
    Piece(PieceFrame),
    /// Asks for bytes.
    Fetch(FetchFrame),
}

impl From<Question> for Frame {
    fn from(question: Question) -> Self {
        match question {
            Question::Files(frame) => Self::Files(frame),
            Question::Piece(frame) => Self::Piece(frame),
            Question::Fetch(frame) => Self::Fetch(frame),
        }
    }
}

/// What a relay answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// What it holds.
    Held(HeldFrame),
    /// Bytes.
    Piece(PieceFrame),
    /// Why not, and the certificates that say more.
    Error(ErrorFrame, Vec<Certificate>),
}

/// Who asks, and whom.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The asker's key.
    pub key: &'a AuthorKey,
    /// The deployment.
    pub deployment: &'a Deployment,
    /// The relay's epoch, as far as the asker knows.
    pub epoch: Option<AuthorId>,
    /// The application and its version.
    pub app: &'a str,
    /// Certificates that lead to the asker; empty unless the relay asked for them.
    pub certificates: &'a [Certificate],
}

/// Writes the body of a request, signed at a time in milliseconds.
///
/// # Errors
/// [`BadFrame`] when the question is over a limit.
pub fn request(asker: &Asker<'_>, question: Question, time_ms: i64, nonce: [u8; 16]) -> Result<Vec<u8>, BadFrame> {
    let hello = Hello {
        min_version: MIN_VERSION,
        max_version: MAX_VERSION,
        deployment: asker.deployment.id,
        author: asker.key.author(asker.deployment),
        epoch: asker.epoch,
        app: asker.app.to_owned(),
        credit: 0,
        challenge: None,
        late_scopes: false,
        scopes: Vec::new(),
        extension: Vec::new(),
    };
    let mut body = Frame::Hello(hello).encode()?;
    if !asker.certificates.is_empty() {
        body.extend(Frame::Certificates(asker.certificates.to_vec()).encode()?);
    }
    body.extend(Frame::from(question).encode()?);
    sign_body(&mut body, asker.key, asker.deployment, asker.epoch, time_ms, nonce)?;
    Ok(body)
}

/// Reads the question of a request whose signature was verified.
///
/// # Errors
/// [`BadRequest`] when there is not exactly one, or a frame is malformed.
pub fn question(request: &SignedRequest<'_>) -> Result<Question, BadRequest> {
    let mut found = None;
    for frame in whole_frames(request.frames(), MAX_FRAME)? {
        let question = match frame {
            Frame::Files(frame) => Question::Files(frame),
            Frame::Piece(frame) => Question::Piece(frame),
            Frame::Fetch(frame) => Question::Fetch(frame),
            Frame::Hello(_) | Frame::Certificates(_) => continue,
            _ => return Err(BadRequest::NoQuestion),
        };
        if found.replace(question).is_some() {
            return Err(BadRequest::NoQuestion);
        }
    }
    found.ok_or(BadRequest::NoQuestion)
}

/// Writes an answer that is no refusal.
///
/// # Errors
/// [`BadFrame`] when it is over a limit.
pub fn response(answer: Frame) -> Result<Vec<u8>, BadFrame> {
    let mut body = answer.encode()?;
    body.extend(Frame::End(End { equal: false, more: false, handled: 0 }).encode()?);
    Ok(body)
}

/// Reads an answer.
///
/// # Errors
/// [`BadRequest`] when it is none, or was cut.
pub fn read_response(body: &[u8]) -> Result<Answer, BadRequest> {
    let (mut answer, mut certificates, mut whole) = (None, Vec::new(), false);
    for frame in whole_frames(body, MAX_FRAME)? {
        match frame {
            Frame::Held(held) => answer = Some(Answer::Held(held)),
            Frame::Piece(piece) => answer = Some(Answer::Piece(piece)),
            Frame::Error(error) => answer = Some(Answer::Error(error, Vec::new())),
            Frame::Certificates(more) => certificates.extend(more),
            Frame::End(_) => whole = true,
            _ => return Err(BadRequest::NoQuestion),
        }
    }
    match answer.filter(|_| whole) {
        Some(Answer::Error(error, _)) => Ok(Answer::Error(error, certificates)),
        Some(answer) => Ok(answer),
        None => Err(BadRequest::NoQuestion),
    }
}

#[cfg(test)]
mod tests {
    use lastmile_model::Scope;

    use super::*;
    use crate::code::Code;
    use crate::enrol::error_response;
    use crate::frame::{FileState, HeldFile};

    #[test]
    fn questions_and_answers_come_back() {
        let key = AuthorKey::from_seed(&[3; 32]);
        let deployment = Deployment { id: [1; 16], root: AuthorKey::from_seed(&[2; 32]).public() };
        let asker = Asker { key: &key, deployment: &deployment, epoch: None, app: "test", certificates: &[] };
        let scope = Scope::community("430103005010").unwrap();
        let (hash, bytes) = ([7; 32], vec![9; 300]);
        let piece = PieceFrame { scope: scope.clone(), hash, size: 1_000, offset: 700, bytes };
        for asked in [
            Question::Files(FilesFrame { scope: scope.clone(), hashes: vec![hash, [8; 32]] }),
            Question::Piece(piece.clone()),
            Question::Fetch(FetchFrame { scope: scope.clone(), hash, offset: 5, limit: 10 }),
        ] {
            let body = request(&asker, asked.clone(), 1_000, [5; 16]).unwrap();
            let signed = SignedRequest::open(&body).unwrap();
            assert!(signed.verify(&key.public(), &deployment, key.author(&deployment), None));
            assert_eq!(question(&signed), Ok(asked));
        }
        let states = [FileState::Unknown, FileState::Begun(64), FileState::Whole([6; 64])];
        let held = HeldFrame { scope, files: states.map(|state| HeldFile { hash, state }).to_vec() };
        assert_eq!(read_response(&response(Frame::Held(held.clone())).unwrap()), Ok(Answer::Held(held)));
        let said = response(Frame::Piece(piece.clone())).unwrap();
        assert_eq!(read_response(&said), Ok(Answer::Piece(piece)));
        assert_eq!(read_response(&said[..said.len() - 5]), Err(BadRequest::NoQuestion), "cut before its end frame");
        let refused = read_response(&error_response(Code::NotFound, Vec::new(), 0, &[])).unwrap();
        assert!(matches!(refused, Answer::Error(ErrorFrame { code: Code::NotFound, .. }, _)));
    }

    #[test]
    fn a_request_asks_one_thing_and_a_piece_lies_in_its_file() {
        let key = AuthorKey::from_seed(&[3; 32]);
        let deployment = Deployment { id: [1; 16], root: key.public() };
        let scope = Scope::community("430103005010").unwrap();
        let fetch = Frame::Fetch(FetchFrame { scope: scope.clone(), hash: [7; 32], offset: 0, limit: 1 });
        for frames in [vec![], vec![fetch.clone(), fetch], vec![Frame::Credit(1)]] {
            let mut body: Vec<u8> = frames.iter().flat_map(|frame| frame.encode().unwrap()).collect();
            sign_body(&mut body, &key, &deployment, None, 0, [0; 16]).unwrap();
            assert_eq!(question(&SignedRequest::open(&body).unwrap()), Err(BadRequest::NoQuestion));
        }
        for (size, offset) in [(100, 51), (100, u64::MAX), (u64::MAX, 0), (3 << 20, 0)] {
            let piece = PieceFrame { scope: scope.clone(), hash: [7; 32], size, offset, bytes: vec![0; 50] };
            assert!(Frame::Piece(piece).encode().is_err(), "{offset} of {size}");
        }
    }
}
