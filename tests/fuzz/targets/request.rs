//! Bodies of requests before anybody is known: `SignedRequest::open`, enrolments and their answers.
//!
//! Laws: what opens keeps its bytes apart from the signature; a signature put right verifies, and not over other bytes.

use lastmile_protocol::enrol::{enrol_request, enrolled_response, read_enrol_request, read_enrolled_response};
use lastmile_protocol::request::{SignedRequest, sign_body};
use rand::Rng;

use crate::mutate::Random;
use crate::support::{author, certificates, deployment, key};
use crate::{cost, frames, tally};

const NOW: i64 = 1_764_000_000_000;

/// Opens a body in each way that a relay or a device opens one.
pub fn run(data: &[u8]) {
    if let Ok(request) = cost::of(|| SignedRequest::open(data)) {
        tally::note("opened");
        assert!(data.starts_with(request.frames()));
        let signer = request.hello.as_ref().map_or_else(|| author(2), |hello| hello.author);
        let by = (1..10).find(|by| author(*by) == signer).unwrap_or(2);
        let epoch = request.hello.as_ref().and_then(|hello| hello.epoch);
        if cost::of(|| request.verify(&key(by).public(), &deployment(), signer, epoch)) {
            tally::note("verified");
            let mut bent = data.to_vec();
            bent[request.frames().len() / 2] ^= 1;
            if let Ok(other) = SignedRequest::open(&bent)
                && !request.frames().is_empty()
            {
                assert!(!other.verify(&key(by).public(), &deployment(), signer, epoch), "a bent body verifies");
            }
        }
        let _ = request.check_clock(NOW);
    }
    if let Ok((enrol, found, request)) = cost::of(|| read_enrol_request(data, &deployment())) {
        tally::note("an enrolment");
        assert!(request.verify(&enrol.public_key, &deployment(), found, None));
    }
    if let Ok(Ok(list)) = cost::of(|| read_enrolled_response(data)) {
        tally::note("an answer");
        assert_eq!(read_enrolled_response(&enrolled_response(list.clone()).unwrap()).unwrap(), Ok(list));
    }
}

fn signed(frames: Vec<u8>, by: u8, epoch: bool) -> Vec<u8> {
    let mut body = frames;
    sign_body(&mut body, &key(by), &deployment(), epoch.then(|| author(1)), NOW, [0xaa; 16]).unwrap();
    body
}

/// The golden bodies, and one of each of this deployment.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = frames::golden();
    seeds.push(signed(frames::hello(2, None).encode().unwrap(), 2, true));
    seeds.push(enrol_request(&key(2), &deployment(), [7; 16], "平板", NOW, [1; 16]).unwrap());
    seeds.push(enrolled_response(certificates()).unwrap());
    seeds
}

/// Mutates frames and mostly signs again.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let sign = rng.random_bool(0.7);
    let frames = match SignedRequest::open(data) {
        Ok(request) if sign => request.frames(),
        _ => data,
    };
    let bent = frames::mutate_stream(frames, rng);
    if sign { signed(bent, 2, rng.random_bool(0.8)) } else { bent }
}
