//! The codec agrees with a real API server, byte for byte: what that one sends in protobuf is what
//! it shows in JSON, and is written again as it was.

use maestro_sim::facts::Version;
use maestro_sim::json::Value;
use maestro_sim::protobuf::{self, watch};
use maestro_test::cluster::control_plane::programs::Programs;
use maestro_tests::conformance::{corpus, side};
use maestro_tests::wire::Answer;

fn media(answer: &Answer) -> &str {
    answer.headers.get("content-type").map_or("", String::as_str)
}

/// An answer's body, written anew from what was read of it; `None` for one that is not protobuf.
fn again(answer: &Answer) -> Option<Vec<u8>> {
    let media = media(answer).strip_prefix(protobuf::MEDIA_TYPE)?;
    let documents = answer.documents();
    let object = |value: &Value| protobuf::encode(value)?.ok();
    if media.is_empty() {
        return documents.first().and_then(object).map(|bytes| bytes.to_vec());
    }
    let frame =
        |event: &Value| watch::frame(event["type"].as_str().unwrap_or(""), &event["object"]);
    Some(documents.iter().map(frame).collect::<Vec<_>>().concat())
}

/// Messages do not hold the types of objects inside others, which only these kinds have.
fn without_inner_types(mut value: Value) -> Value {
    let claims = value.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut);
    for claim in claims.into_iter().flatten() {
        if let Some(claim) = claim.as_object_mut() {
            claim.remove("apiVersion");
            claim.remove("kind");
        }
    }
    value
}

#[test]
fn what_a_real_server_sends_is_understood_and_written_alike() {
    let programs = match Programs::find() {
        Ok(programs) => programs,
        Err(why) => {
            println!("SKIPPED protobuf: {why}");
            return;
        }
    };
    let mut sequences = corpus::all().expect("the corpus can be read");
    sequences.retain(|sequence| sequence.name.starts_with("proto-"));
    let answers =
        side::real(&programs, Version::default(), &sequences).expect("the real server answers");
    let (mut written, mut shown, mut wrong) = (0, 0, Vec::new());
    for (sequence, answers) in sequences.iter().zip(&answers) {
        for (step, answer) in sequence.requests.iter().zip(answers) {
            let Some(again) = again(answer) else { continue };
            written += 1;
            if again != answer.body {
                let (real, again) = (answer.body.escape_ascii(), again.escape_ascii());
                wrong.push(format!("{} {}\n  {real}\n  {again}", sequence.name, step.ask));
            }
        }
        let asked: Vec<_> = sequence.requests.iter().zip(answers).collect();
        for pair in asked.windows(2) {
            let [(first, one), (second, other)] = pair else { continue };
            if first.ask != second.ask || media(one) == media(other) {
                continue;
            }
            let of = |answer: &Answer| answer.documents().pop().map(without_inner_types);
            let named = |value: &Option<Value>| {
                value.as_ref().is_some_and(|v| v.pointer("/metadata/name").is_some())
            };
            let (one, other) = (of(one), of(other));
            if named(&one) && named(&other) {
                shown += 1;
                if one != other {
                    wrong.push(format!("{} {}\n  {one:?}\n  {other:?}", sequence.name, first.ask));
                }
            }
        }
    }
    println!("protobuf: {written} bodies written again, {shown} compared with JSON");
    assert!(written > 500 && shown > 40, "{written} written, {shown} shown");
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}
