//! The service's management interface: who may use it, how lists are paged, and what it refuses.

use counterfoil_tests::http::Answer;
use counterfoil_tests::lab::text;
use counterfoil_tests::{Lab, Served, http};
use serde_json::{Value, json};

const STANDARD: &str = "--max-activations 1000 --quota render=1000000/month";
const FREE: &str = "--rate-per-address 0 --rate-per-license 0";
const ROLES: [&str; 3] = ["admin", "operator", "auditor"];

#[track_caller]
fn token(lab: &Lab, role: &str) -> String {
    text(&lab.vendor(&format!("token create --role {role}")).done(), "token")
}

/// Asks with a token, if there is one, and a body, if there is one.
#[track_caller]
fn ask(served: &Served, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut headers = Vec::new();
    if let Some(authorization) = &authorization {
        headers.push(("authorization", authorization.as_str()));
    }
    if body.is_some() {
        headers.push(("content-type", "application/json"));
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    http::send(served.address, &http::request(method, path, &headers, body.as_bytes())).expect("it answers")
}

/// Every operation that needs a token: method, path with something in the place of its parameters, and the least role.
#[track_caller]
fn guarded(served: &Served) -> Vec<(String, String, String)> {
    let described = served.get("/openapi.json").json();
    let mut found = Vec::new();
    for (path, item) in described["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let Some(role) = operation["security"][0]["bearer"][0].as_str() else { continue };
            let mut plain = path.clone();
            while let Some((before, rest)) = plain.split_once('{') {
                let (_, after) = rest.split_once('}').expect("a parameter ends");
                plain = format!("{before}none{after}");
            }
            found.push((method.to_uppercase(), plain, role.to_owned()));
        }
    }
    found
}

#[test]
fn every_route_asks_for_a_token_of_its_role() {
    let lab = Lab::with_policy(STANDARD);
    let tokens = ROLES.map(|role| token(&lab, role));
    let expired = text(&lab.vendor("token create --role admin --valid 1s").done(), "token");
    let revoked = lab.vendor("token create --role admin").done();
    lab.vendor(&format!("token revoke {}", text(&revoked, "name"))).done();
    lab.vendor(&format!("token revoke {}", text(&revoked, "name"))).refused(4, "status_unchanged");
    let served = lab.serve(FREE);
    let routes = guarded(&served);
    assert!(routes.len() >= 40, "{routes:?}");
    let line = lab.vendor("token list").done();
    assert_eq!(line["tokens"].as_array().map(Vec::len), Some(5));
    for (method, path, least) in &routes {
        let told = format!("{method} {path}");
        let bad = [None, Some("cft_nonsense"), Some(""), Some(revoked["token"].as_str().expect("a token"))];
        for token in bad {
            let answer = ask(&served, method, path, token, None);
            assert_eq!(answer.problem(401), "unauthorized", "{told}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        for (role, token) in ROLES.iter().zip(&tokens) {
            let rank = |role: &str| ROLES.iter().position(|known| *known == role);
            let answer = ask(&served, method, path, Some(token), None);
            if rank(role) <= rank(least) {
                assert!(![401, 403].contains(&answer.status), "{told} as {role}: {answer:?}");
            } else {
                assert_eq!(answer.problem(403), "forbidden", "{told} as {role}");
            }
        }
    }
    // A second has passed since by any clock: so many requests were answered that each had its own.
    while ask(&served, "GET", "/v1/tokens", Some(&expired), None).status != 401 {}
    let basic = http::request("GET", "/v1/licenses", &[("authorization", "Basic eDp5")], b"");
    assert_eq!(http::send(served.address, &basic).expect("it answers").problem(401), "unauthorized");
    served.signal("TERM");
    let (_, log) = served.wait();
    assert!(tokens.iter().all(|token| !log.contains(token)), "no token stands in the log");
}

#[test]
fn the_first_token_is_made_with_what_the_service_printed_and_only_once() {
    let lab = Lab::with_policy(STANDARD);
    let served = lab.serve(FREE);
    let setup = text(&served.started, "setup_token");
    let order = |role: &str| json!({"operator": "Ada", "role": role, "valid": "30d"});
    let make = |token: &str, order: &Value| ask(&served, "POST", "/v1/tokens", Some(token), Some(order));
    assert_eq!(
        ask(&served, "GET", "/v1/tokens", Some(&setup), None).problem(401),
        "unauthorized",
        "for nothing else"
    );
    assert_eq!(make(&setup, &order("auditor")).problem(403), "forbidden", "the first one is an admin's");
    let with_key = |token: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", "first"),
        ];
        let request = http::request("POST", "/v1/tokens", &headers, order("admin").to_string().as_bytes());
        http::send(served.address, &request).expect("it answers")
    };
    assert_eq!(with_key("cft_of-no-use").problem(401), "unauthorized");
    let first = with_key(&setup);
    assert_eq!(first.status, 201, "a key is of no harm to it");
    assert_eq!(with_key(&setup).problem(401), "unauthorized", "nor of use");
    let admin = text(&first.json(), "token");
    assert_eq!(first.json()["operator"], "Ada");
    assert_eq!(make(&setup, &order("admin")).problem(401), "unauthorized", "it is spent");
    let second = make(&admin, &order("auditor"));
    assert_eq!(second.status, 201);
    let name = text(&second.json(), "name");
    let revoke = || ask(&served, "DELETE", &format!("/v1/tokens/{name}"), Some(&admin), None);
    assert_eq!((revoke().status, revoke().problem(409)), (200, "status_unchanged".to_owned()));
    assert_eq!(ask(&served, "DELETE", "/v1/tokens/none", Some(&admin), None).problem(404), "token_unknown");
    let listed = ask(&served, "GET", "/v1/tokens", Some(&admin), None).json();
    assert_eq!(listed, lab.vendor("token list").done(), "the same as on the command line");
    let states: Vec<&Value> =
        listed["tokens"].as_array().expect("tokens").iter().map(|line| &line["state"]).collect();
    assert_eq!(states, ["valid", "revoked"]);
    drop(served);
    assert_eq!(lab.serve(FREE).started["setup_token"], Value::Null, "there are tokens");
    let history = lab.vendor("audit verify --deep").done();
    assert!(history.is_object());
    lab.vendor("rebuild --check").done();
}

#[test]
fn what_is_not_understood_is_refused_and_changes_nothing() {
    let lab = Lab::with_policy(STANDARD);
    let admin = token(&lab, "admin");
    let served = lab.serve(FREE);
    let before = lab.vendor("token list").done();
    let bodies = [
        json!({}),
        json!({"operator": "Ada", "role": "king"}),
        json!({"operator": "", "role": "admin"}),
        json!({"operator": "x".repeat(257), "role": "admin"}),
        json!({"operator": "Ada", "role": "admin", "valid": "soon"}),
        json!({"operator": "Ada", "role": "admin", "password": "1234"}),
        json!(["Ada"]),
    ];
    for body in bodies {
        let answer = ask(&served, "POST", "/v1/tokens", Some(&admin), Some(&body));
        let status = answer.status;
        assert!([400, 422].contains(&status), "{body}: {answer:?}");
        assert!(["request_invalid", "text_invalid"].contains(&answer.problem(status).as_str()), "{body}");
    }
    let authorization = format!("Bearer {admin}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    for (body, status, code) in [
        (b"{\"operator\": \"\xff\"}".to_vec(), 400, "request_invalid"),
        (b"{".to_vec(), 400, "request_invalid"),
        (vec![b' '; 10_000_000], 413, "too_large"),
    ] {
        let request = http::request("POST", "/v1/tokens", &headers, &body);
        assert_eq!(http::send(served.address, &request).expect("it answers").problem(status), code);
    }
    let form = [("authorization", authorization.as_str()), ("content-type", "text/plain")];
    let request = http::request("POST", "/v1/tokens", &form, b"{}");
    assert_eq!(
        http::send(served.address, &request).expect("it answers").problem(415),
        "media_type_unsupported"
    );
    assert_eq!(lab.vendor("token list").done(), before);
}

#[test]
fn lists_are_read_page_by_page_and_each_licence_comes_once() {
    let lab = Lab::with_policy(STANDARD);
    lab.vendor("policy create other --product studio").done();
    lab.vendor("license issue --policy standard --customer 'ACME GmbH' --count 7").done_lines();
    lab.vendor("license issue --policy other --customer '<script>alert(1)</script>' --count 4").done_lines();
    let token = token(&lab, "auditor");
    let served = lab.serve(FREE);
    let get = |query: &str| ask(&served, "GET", &format!("/v1/licenses{query}"), Some(&token), None);
    let all = lab.vendor("license list").done();
    let read = |filter: &str, limit: usize| {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = get(&format!("?limit={limit}{filter}{cursor}")).json();
            let licenses = page["licenses"].as_array().expect("licences").clone();
            assert!(licenses.len() <= limit);
            found.extend(licenses);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Value::from(found),
            }
        }
    };
    for limit in [1, 3, 11, 500] {
        assert_eq!(read("", limit), all["licenses"], "{limit}");
    }
    assert_eq!(get("").json()["licenses"], all["licenses"]);
    assert_eq!(read("&policy=other", 3).as_array().map(Vec::len), Some(4));
    assert_eq!(read("&customer=ACME%20GmbH", 2).as_array().map(Vec::len), Some(7));
    assert_eq!(read("&status=suspended", 2), json!([]));

    let next = text(&get("?limit=2").json(), "next_cursor");
    for (query, status, code) in [
        (format!("?limit=2&policy=other&cursor={next}"), 400, "cursor_invalid"),
        ("?cursor=%00".to_owned(), 400, "cursor_invalid"),
        ("?limit=0".to_owned(), 400, "request_invalid"),
        ("?limit=501".to_owned(), 400, "request_invalid"),
        ("?limit=many".to_owned(), 400, "request_invalid"),
        ("?status=lost".to_owned(), 400, "request_invalid"),
        ("?colour=red".to_owned(), 400, "request_invalid"),
        ("?product=none".to_owned(), 404, "product_unknown"),
        ("?customer=none".to_owned(), 404, "customer_unknown"),
    ] {
        assert_eq!(get(&query).problem(status), code, "{query}");
    }
}

/// A ledger that is copied keeps its tokens, and the service of the copy takes them.
#[test]
fn tokens_go_with_a_ledger_that_is_copied() {
    let lab = Lab::with_policy(STANDARD);
    let token = token(&lab, "auditor");
    lab.vendor("store copy --to sqlite:copied.db --switch").done();
    let served = lab.serve(FREE);
    assert_eq!(ask(&served, "GET", "/v1/licenses", Some(&token), None).status, 200);
    assert_eq!(served.started["setup_token"], Value::Null);
}
