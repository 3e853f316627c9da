//! Enrolment: a new author asks for its certificate (`POST /v1/enrol`).
//!
//! The request is an enrol frame and an auth frame, signed by the new key itself, so that nobody can enrol a key that he does
//! not hold. The response is an enrolled frame with the certificates that lead from the new author to root, or an error.

use lastmile_log::{AuthorKey, Certificate, Deployment};
use lastmile_model::AuthorId;

use crate::code::Code;
use crate::frame::{BadFrame, Enrol, ErrorFrame, Frame, FrameReader};
use crate::limits::MAX_FRAME_UNAUTHENTICATED;
use crate::request::{BadRequest, SignedRequest, sign_body};

/// Writes the body of an enrolment.
///
/// # Errors
/// [`BadFrame::TooMany`] when the device label is too long.
pub fn enrol_request(
    key: &AuthorKey,
    deployment: &Deployment,
    token: [u8; 16],
    device: &str,
    time_ms: i64,
    nonce: [u8; 16],
) -> Result<Vec<u8>, BadFrame> {
    let enrol = Enrol { token, public_key: key.public(), device: device.to_owned() };
    let mut body = Frame::Enrol(enrol).encode()?;
    sign_body(&mut body, key, deployment, None, time_ms, nonce)?;
    Ok(body)
}

/// Reads the body of an enrolment and verifies that it is signed by the key it brings.
///
/// The caller checks the clock with [`SignedRequest::check_clock`] and the token.
///
/// # Errors
/// [`BadRequest`] when the body is malformed or the signature does not verify.
pub fn read_enrol_request<'b>(
    body: &'b [u8],
    deployment: &Deployment,
) -> Result<(Enrol, AuthorId, SignedRequest<'b>), BadRequest> {
    if body.len() > MAX_FRAME_UNAUTHENTICATED {
        return Err(BadFrame::TooLarge { limit: MAX_FRAME_UNAUTHENTICATED, length: body.len() as u64 }.into());
    }
    let request = SignedRequest::open(body)?;
    let mut frames = whole_frames(request.frames(), MAX_FRAME_UNAUTHENTICATED)?.into_iter();
    let (Some(Frame::Enrol(enrol)), None) = (frames.next(), frames.next()) else {
        return Err(BadRequest::NoEnrolment);
    };
    let author = lastmile_log::author_id(deployment, &enrol.public_key);
    if !request.verify(&enrol.public_key, deployment, author, None) {
        return Err(BadRequest::Signature);
    }
    Ok((enrol, author, request))
}

/// Writes the answer to an enrolment.
///
/// # Errors
/// [`BadFrame::TooMany`] when there are too many certificates.
pub fn enrolled_response(certificates: Vec<Certificate>) -> Result<Vec<u8>, BadFrame> {
    Frame::Enrolled(certificates).encode()
}

/// Reads the answer to an enrolment; the inner error is what the relay said.
///
/// # Errors
/// [`BadRequest`] when the body is neither of the two.
pub fn read_enrolled_response(body: &[u8]) -> Result<Result<Vec<Certificate>, ErrorFrame>, BadRequest> {
    for frame in whole_frames(body, MAX_FRAME_UNAUTHENTICATED)? {
        match frame {
            Frame::Enrolled(certificates) => return Ok(Ok(certificates)),
            Frame::Error(error) => return Ok(Err(error)),
            _ => {}
        }
    }
    Err(BadRequest::NoEnrolment)
}

/// Writes a response that says only what was wrong, for a request that no session was begun for.
#[must_use]
pub fn error_response(
    code: Code,
    arguments: Vec<String>,
    retry_after_ms: u64,
    certificates: &[Certificate],
) -> Vec<u8> {
    let error = Frame::Error(ErrorFrame { code, arguments, retry_after_ms });
    let mut body = error.encode().unwrap_or_default();
    if !certificates.is_empty() {
        body.extend(Frame::Certificates(certificates.to_vec()).encode().unwrap_or_default());
    }
    let end = Frame::End(crate::frame::End { equal: false, more: true, handled: 0 });
    body.extend(end.encode().unwrap_or_default());
    body
}

/// Reads frames of at most `limit` bytes up to the end; in the middle of one is no end.
pub(crate) fn whole_frames(bytes: &[u8], limit: usize) -> Result<Vec<Frame>, BadFrame> {
    let mut reader = FrameReader::new(limit);
    let mut frames = Vec::new();
    let mut rest = bytes;
    loop {
        let taken = reader.push(rest);
        rest = rest.get(taken..).unwrap_or_default();
        match reader.next_frame()? {
            Some(raw) => frames.extend(Frame::open(&raw, limit)?),
            None if reader.is_partial() => return Err(BadFrame::Truncated),
            None if rest.is_empty() => return Ok(frames),
            None => {}
        }
    }
}
