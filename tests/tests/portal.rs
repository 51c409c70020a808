//! The portal for the customer's administrator, by its forms alone: what a file is and discloses, the answer, and what is
//! refused.

use std::io::Cursor;
use std::thread;

use counterfoil_tests::device::bundle;
use counterfoil_tests::lab::text;
use counterfoil_tests::portal::Page;
use counterfoil_tests::{HandMade, Lab, License, Served, http};
use schemas::armor;
use schemas::bundle::{Attachment, Bundle, BundlePart, BundleReader};
use schemas::container::FileKind;
use schemas::ids::{Commitment, Salt};
use serde_json::{Value, json};

const STANDARD: &str = "--max-activations 1000 --quota render=1000000/month --sync-every 30d";
/// Limits that a test on one machine would meet.
const FREE: &str = "--rate-per-address 0 --rate-per-license 0";
/// What no page may pass on as it is.
const MARKUP: &str = "<script>alert(1)</script>";
const ESCAPED: &str = "&#60;script&#62;alert(1)&#60;/script&#62;";
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

#[track_caller]
fn listed(lab: &Lab, line: &str, what: &str) -> Vec<Value> {
    lab.vendor(line).done()[what].as_array().expect("a list").clone()
}

/// The parts of a bundle.
fn parts(bytes: &[u8]) -> Bundle {
    let mut reader = BundleReader::open(Cursor::new(bytes)).expect("a bundle");
    let mut bundle = Bundle::default();
    while let Some(part) = reader.next_part().expect("a whole bundle") {
        match part {
            BundlePart::Run(run) => bundle.runs.push(run),
            BundlePart::Attachment(attachment) => bundle.attachments.push(attachment),
            BundlePart::LastGrant(grant) => bundle.last_grant = Some(*grant),
        }
    }
    bundle
}

/// A value that no event stands for.
fn value(bytes: &[u8]) -> Attachment {
    Attachment { commitment: Commitment([7; 32]), salt: Salt([7; 16]), value: bytes.to_vec() }
}

#[test]
fn a_device_is_activated_reports_and_gives_back_as_by_the_exchange() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    let chain = lab.request("dev1", &license);
    let request = lab.read("dev1.cfbundle");

    let read = Page::read(served.choose(&request), 200);
    read.says("<h1>Activation request</h1>").says("Nothing has been sent yet").says("studio (production)");
    read.says(&chain).says("asked for an activation: 1").says("with a licence key, whose secret part");
    assert!(!read.html.contains(&license.key));
    assert_eq!(listed(&lab, "activation list", "activations"), Vec::<Value>::new(), "it was only read");

    let (page, saved) = served.answered(&request);
    page.says("<h1>The licence is granted to this device.</h1>").says("<li>export</li>").says("<svg ");
    assert_eq!(saved, served.exchange(&request).body, "by the exchange the bytes are the same");
    lab.write("licence.cfgrant", &saved);
    lab.device("dev1", "apply licence.cfgrant").done();
    assert_eq!(lab.device("dev1", "status").done()["state"], "active");

    lab.device("dev1", "consume render 9").done();
    lab.device("dev1", &format!("consume render 4 --ref '{MARKUP}'")).done();
    lab.device("dev1", &format!("set operator '{MARKUP}'")).done();
    lab.report("dev1", "usage.cfbundle");
    let usage = lab.read("usage.cfbundle");
    let read = Page::read(served.choose(&usage), 200);
    read.says("<h1>Usage report</h1>").says("used a metered feature: 2").says("<td>13</td>");
    read.says(">render</th>").says("<dt>Variable operator</dt>").says("encloses the last licence file");
    assert!(read.html.matches(ESCAPED).count() >= 3 && !read.html.contains("<script>"), "{}", read.html);
    let (_, saved) = served.answered(&usage);
    lab.write("licence.cfgrant", &saved);
    lab.device("dev1", "apply licence.cfgrant").done();
    assert_eq!(lab.vendor("audit usage").done()["rows"][0]["n"], 13);

    lab.device("dev1", "deactivate --file bye.cfbundle").done();
    let read = Page::read(served.choose(&lab.read("bye.cfbundle")), 200);
    read.says("<h1>Deactivation file</h1>").says("gives its seat back");
    served.answered(&lab.read("bye.cfbundle")).0.says("This device holds no seat any more");
    assert_eq!(text(&listed(&lab, "activation list", "activations")[0], "state"), "released");
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

#[test]
fn a_text_is_pasted_as_mail_left_it() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    let device = HandMade::new(1, &license).consume(3);
    let text = armor::armor(FileKind::Bundle, &device.bundle());
    let quoted: String = text.lines().flat_map(|line| ["> ", line, "\r\n"]).collect();
    let read = Page::read(served.paste(&format!("Hello,\r\n\r\n{quoted}\r\nRegards\r\n")), 200);
    let page = served.send_on(&read);
    let answer = armor::dearmor(page.licence().into_bytes()).expect("whole");
    assert_eq!(answer, served.exchange(&device.bundle()).body);
}

#[test]
fn a_host_name_is_shown_as_what_it_is() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    lab.request("dev1", &license);
    let mut bundle = parts(&lab.read("dev1.cfbundle"));
    let host = bundle.attachments.first().map(|host| String::from_utf8_lossy(&host.value).into_owned());
    if let Some(host) = &host {
        let read = Page::read(served.choose(&lab.read("dev1.cfbundle")), 200);
        read.says("<dt>Host name of the device</dt>").says(host);
        assert!(!read.html.contains("not what the signed record stands for"));
        bundle.attachments[0].value = MARKUP.into();
    }
    bundle.attachments.push(value(MARKUP.as_bytes()));
    bundle.attachments.push(value(&[0xff; 12]));
    let read = Page::read(served.choose(&bundle.encode()), 200);
    read.says("A value that no event of this file names").says("12 bytes that are not text");
    read.says(ESCAPED).says("not what the signed record stands for");
    assert!(!read.html.contains("<script>"));
}

#[test]
fn who_is_denied_learns_why_and_what_to_do_and_takes_that_to_the_device() {
    let lab = Lab::with_policy("--max-activations 1");
    let license = lab.issue();
    let served = lab.serve(FREE);
    let [first, second] = [1, 2].map(|seed| HandMade::new(seed, &license).bundle());
    served.answered(&first);
    let (page, saved) = served.answered(&second);
    page.says("<h1>The activation is denied.</h1>").says("no_seat_free").says("What to do:");
    page.says("Deactivate a device that is no longer used");
    assert!(!page.html.contains("id=\"refresh-1\""), "there is nothing to refresh");
    assert_eq!(saved, served.exchange(&second).body);

    let both = bundle([1, 2].map(|seed| HandMade::new(seed, &license).run(1, 2)).to_vec());
    Page::read(served.choose(&both), 200).says("Device 1").says("Device 2");
    let (page, saved) = served.answered(&both);
    page.says("<h1>1 of 2 devices have their licence.</h1>").says("no_seat_free");
    assert_eq!(saved, served.exchange(&both).body);

    // What the vendor did since, a device learns by its refresh.
    let chain = HandMade::new(1, &license).chain().to_string();
    let cases = [
        ("suspend", "The licence is suspended", "suspended"),
        ("revoke", "The licence is revoked", "revoked"),
    ];
    for (standing, heading, code) in cases {
        lab.vendor(&format!("license {standing} {} --yes", license.id)).done();
        let page = Page::read(served.form("/refresh", &[("chain", None, chain.as_bytes())]), 200);
        page.says(heading).says(&format!("<code>{code}</code>"));
    }
}

#[test]
fn a_licence_that_is_not_known_is_told_as_a_notice_and_the_file_waits() {
    let lab = Lab::with_policy(STANDARD);
    let other = Lab::with_policy(STANDARD);
    let served = lab.serve(FREE);
    let device = HandMade::new(1, &other.issue()).of_product(MARKUP);
    let read = Page::read(served.choose(&device.bundle()), 200);
    read.says(ESCAPED);
    assert!(!read.html.contains("<script>"));
    let (page, saved) = served.answered(&device.bundle());
    page.says("Your vendor has no licence for this device").says("license_unknown");
    lab.write("notice.cfgrant", &saved);
    assert!(lab.vendor("show notice.cfgrant").done().to_string().contains("license_unknown"));
    let entries = listed(&lab, "quarantine list", "entries");
    assert_eq!((entries.len(), text(&entries[0], "source")), (1, "portal".into()));
}

#[test]
fn another_file_is_named_at_the_field_and_nothing_is_kept() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    let bundle = HandMade::new(1, &license).bundle();
    let (_, grant) = served.answered(&bundle);
    let mut damaged = bundle.clone();
    damaged[bundle.len() / 2] ^= 1;
    let broken = armor::armor(FileKind::Bundle, &bundle).replace("-----END", "----END");
    let cases: [(&[u8], u16, &str, &str); 6] = [
        (b"a letter to the vendor", 422, "unknown_file", "the application wrote"),
        (&grant, 422, "wrong_file", "this is a licence file"),
        (&lab.read("studio.cfpack"), 422, "wrong_file", "this is a product pack"),
        (&damaged, 422, "damaged", "Get the file again"),
        (broken.as_bytes(), 422, "damaged", "Get the file again"),
        (b"", 400, "request_invalid", "no file was chosen"),
    ];
    for (file, status, code, says) in cases {
        let page = Page::read(served.choose(file), status);
        page.says(&format!("<code>{code}</code>")).says(says).says("id=\"file-trouble\"");
        page.says("aria-describedby=\"file-help file-trouble\" aria-invalid=\"true\"")
            .says("<title>Not taken: ");
    }
    let both = served.form("/request", &[("file", Some("a"), &bundle), ("text", None, b"x")]);
    Page::read(both, 400).says("a file was chosen and a text pasted");
    assert_eq!(listed(&lab, "quarantine list", "entries"), Vec::<Value>::new());

    // What gets so far all the same is treated as by the exchange.
    let page = Page::read(served.form("/answer", &[("file", Some("x"), &damaged)]), 422);
    page.says("<h1>This was not done</h1>").says("<code>damaged</code>");
    assert_eq!(listed(&lab, "quarantine list", "entries").len(), 1, "evidence is kept");
    let page = Page::read(served.form("/answer", &[("file", Some("x"), b"a letter")]), 422);
    page.says("<code>unknown_file</code>");
    let text = armor::armor(FileKind::Bundle, &bundle);
    Page::read(served.form("/licence-file", &[("text", None, text.as_bytes())]), 422).says("wrong_file");
    Page::read(served.form("/licence-file", &[("text", None, MARKUP.as_bytes())]), 422).says("unknown_file");
}

#[test]
fn what_does_not_verify_is_said_before_it_is_sent() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    let device = HandMade::new(1, &license).consume(1);
    let forged = bundle(vec![device.run_with_bad_signature(device.len())]);
    Page::read(served.choose(&forged), 200).says("not all of it is believed").says("signature_bad");
    let run = device.run(1, device.len());
    let cut = bundle(vec![run[..20].to_vec()]);
    Page::read(served.choose(&cut), 200).says("1 part(s) of the file cannot be read");
}

#[test]
fn a_device_is_refreshed_by_its_whole_reference_and_by_nothing_less() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    let chain = lab.request("dev1", &license);
    let refresh = |chain: &str| served.form("/refresh", &[("chain", None, chain.as_bytes())]);
    Page::read(refresh(&chain), 404).says("chain_unknown");
    let (page, first) = served.answered(&lab.read("dev1.cfbundle"));
    assert_eq!(page.carried("chain"), chain);

    let page = Page::read(refresh(&format!(" {} ", chain.to_uppercase())), 200);
    page.says("The licence is granted to this device");
    let renewed = armor::dearmor(page.licence().into_bytes()).expect("whole");
    assert_ne!(renewed, first);
    assert_eq!(served.get(&format!("/v1/grants/{chain}")).body, renewed);
    lab.write("licence.cfgrant", &renewed);
    lab.device("dev1", "apply licence.cfgrant").done();

    for typed in [&chain[..63], &chain[..12], "", MARKUP, &"0".repeat(64), &license.id, &license.key] {
        let page = Page::read(refresh(typed), 404);
        page.says("chain_unknown")
            .says("id=\"chain-trouble\"")
            .says("aria-describedby=\"chain-help chain-trouble\"");
        assert!(!page.html.contains("<script>") && !page.html.contains(&chain));
    }
}

#[test]
fn a_form_of_another_site_changes_nothing() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    let bundle = HandMade::new(1, &license).bundle();
    let steps = ["/request", "/content", "/answer", "/refresh", "/licence-file"];
    let from: [&[(&str, &str)]; 5] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://elsewhere.example")],
        &[("origin", "null")],
        &[],
    ];
    for (step, from) in steps.iter().flat_map(|step| from.map(|from| (step, from))) {
        let page = Page::read(served.form_from(step, from, &[("file", Some("x"), &bundle)]), 403);
        page.says("<code>cross_site</code>");
    }
    assert_eq!(listed(&lab, "activation list", "activations"), Vec::<Value>::new());
    let own = [("origin", "http://localhost")];
    Page::read(served.form_from("/answer", &own, &[("file", Some("x"), &bundle)]), 200).says("granted");
}

#[test]
fn every_page_is_shown_alone_with_its_own_style_and_script() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    let bundle = HandMade::new(1, &license).bundle();
    let read = Page::read(served.choose(&bundle), 200);
    let own = [("sec-fetch-site", "same-origin")];
    let in_browser = http::request("GET", "/nowhere", &[("accept", "text/html")], b"");
    let pages = [
        Page::read(served.get("/"), 200),
        read.clone(),
        served.send_on(&read),
        Page::read(served.choose(b"nothing of ours"), 422),
        Page::read(served.form_from("/request", &[], &[]), 403),
        Page::read(http::send(served.address, &in_browser).expect("it answers"), 404),
        Page::read(
            http::send(served.address, &http::request("PUT", "/", &own, b"")).expect("it answers"),
            405,
        ),
    ];
    for page in &pages {
        let header = |name: &str| page.answer.header(name).to_owned();
        assert_eq!(header("content-security-policy"), POLICY);
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "same-origin", "a form says where it comes from");
        assert_eq!(header("cache-control"), "no-store");
        assert!(!header("x-request-id").is_empty());
        let html = page.html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for foreign in ["http:", "https:", "src=\"//", "style=", "<style", " onclick", "javascript:"] {
            assert!(!html.contains(foreign), "{foreign}: {html}");
        }
        for asset in html.split('"').filter(|word| word.starts_with("/assets/")) {
            let asset = served.get(asset);
            assert_eq!(asset.status, 200);
            assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
            assert!(asset.header("content-security-policy").contains("sandbox"));
        }
    }
    Page::read(served.get("/assets/portal-0.css"), 404).says("route_unknown");
    assert_eq!(served.get("/nowhere").problem(404), "route_unknown", "programs are answered as ever");
    for step in ["/request", "/content", "/answer", "/refresh", "/licence-file"] {
        let opened = served.get(step);
        assert_eq!((opened.status, opened.header("location")), (303, "/"));
    }
}

#[test]
fn all_of_a_long_file_can_be_had_as_text() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    let device = (1..=2_000).fold(HandMade::new(1, &license), |device, _| device.consume(1));
    let read = Page::read(served.choose(&device.bundle()), 200);
    read.says("used a metered feature: 2000").says("event by event (the beginning)").says("id=\"content\"");
    let all = served.form("/content", &[("text", None, read.carried("text").as_bytes())]);
    assert_eq!(all.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(all.header("content-disposition"), "attachment; filename=\"content.txt\"");
    let all = String::from_utf8(all.body).expect("text");
    assert_eq!(all.matches("feature.consumed").count(), 2_000);
}

/// A page does not carry a large file: it is given again, and has to be the same.
#[test]
fn a_large_file_is_given_once_more() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    let large = |seed| {
        let mut bundle = parts(&HandMade::new(seed, &license).bundle());
        bundle.attachments = (0..32).map(|_| value(&vec![b'x'; 60 * 1024])).collect();
        bundle.encode()
    };
    let (file, other) = (large(1), large(2));
    let read = Page::read(served.choose(&file), 200);
    assert!(read.html.len() < 300_000 && !read.html.contains("name=\"text\" value="));
    read.says("give it once more").says("type=\"file\"").says("(the beginning of 61440 bytes)");
    let digest = read.carried("digest");
    let send = |file: &[u8]| {
        served.form(
            "/answer",
            &[("digest", None, digest.as_bytes()), ("file", Some("x"), file), ("text", None, b"")],
        )
    };
    Page::read(send(&other), 400).says("another file than the one that was read");
    assert_eq!(listed(&lab, "activation list", "activations"), Vec::<Value>::new());
    Page::read(send(&file), 200).says("granted");
}

#[test]
fn what_is_too_much_is_said_on_a_page() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve("--rate-per-address 0 --rate-per-license 1");
    let head = "POST /request HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n\
                content-type: multipart/form-data; boundary=x\r\n";
    let announced = format!("{head}content-length: {}\r\n\r\n", 16 * 1024 * 1024 + 1);
    let answer = http::send(served.address, announced.as_bytes()).expect("it answers");
    Page::read(answer, 413).says("too_large");
    for (kind, body) in [("text/plain", "x"), ("multipart/form-data; boundary=x", "--x\r\n")] {
        let headers = [("content-type", kind), ("sec-fetch-site", "same-origin")];
        let request = http::request("POST", "/request", &headers, body.as_bytes());
        Page::read(http::send(served.address, &request).expect("it answers"), 400).says("request_invalid");
    }
    let bundle = HandMade::new(1, &license).bundle();
    let chain = HandMade::new(1, &license).chain().to_string();
    served.answered(&bundle);
    let refused = (0..30)
        .map(|_| served.form("/refresh", &[("chain", None, chain.as_bytes())]))
        .find(|answer| answer.status != 200)
        .expect("each refresh is counted for its licence");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
    Page::read(refused, 429).says("rate_limited");
    drop(served);

    let served = lab.serve("--rate-per-address 1");
    let refused = (0..30).map(|_| served.get("/")).find(|answer| answer.status != 200).expect("too many");
    let page = Page::read(refused, 429);
    page.says("rate_limited");
    assert_eq!(page.answer.header("content-security-policy"), POLICY);
}

#[test]
fn the_vendors_name_picture_and_colour_are_on_every_page() {
    let lab = Lab::with_policy(STANDARD);
    lab.write("logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>");
    let name = "<b>ACME</b>";
    let table = format!("[brand]\nname = \"{name}\"\nlogo = \"logo.svg\"\naccent = \"#FFCC00\"\n");
    lab.write("counterfoil-home/config.toml", &table);
    let shown = lab.vendor("config show").done().to_string();
    assert!(shown.contains("brand_accent") && shown.contains("#FFCC00"), "{shown}");
    let served = lab.serve(FREE);
    let page = Page::read(served.get("/"), 200);
    page.says("&#60;b&#62;ACME&#60;/b&#62;");
    assert!(!page.html.contains(name));
    let asset = |name: &str| page.html.split('"').find(|word| word.starts_with(name)).expect("it is named");
    let logo = served.get(asset("/assets/logo-"));
    assert_eq!(logo.header("content-type"), "image/svg+xml");
    assert!(logo.header("content-security-policy").contains("default-src 'none'"), "no script runs in it");
    let colour = String::from_utf8(served.get(asset("/assets/brand-")).body).expect("a style");
    assert!(colour.contains("--accent: #ffcc00; --on-accent: #000000;"), "{colour}");
    drop(served);

    for wrong in
        ["accent = \"red\"", "logo = \"none.png\"", "logo = \"studio.cfpack\"", "color = \"#000000\""]
    {
        lab.write("counterfoil-home/config.toml", format!("[brand]\n{wrong}\n"));
        lab.vendor("serve --listen 127.0.0.1:0").refused(2, "config_invalid");
    }
}

/// Many customers at once are answered as one after the other.
#[test]
fn many_forms_at_once_are_each_answered_with_their_own() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    let answer = |served: &Served, license: &License, seed: u64| {
        let device = HandMade::new(seed, license);
        let (page, saved) = served.answered(&device.bundle());
        page.says(&device.chain().to_string());
        assert_eq!(saved, served.exchange(&device.bundle()).body);
    };
    thread::scope(|scope| {
        for seed in 0..8 {
            let (served, license) = (&served, &license);
            scope.spawn(move || answer(served, license, seed));
        }
    });
    assert_eq!(lab.vendor("activation list").done()["activations"].as_array().map(Vec::len), Some(8));
    assert_ne!(lab.vendor("digest").done(), json!({}));
}

#[test]
fn who_has_the_licence_key_sees_its_seats() {
    let lab = Lab::with_policy("--max-activations 3 --sync-every 30d --transfers 2/365d");
    let license = lab.issue();
    let served = lab.serve(FREE);
    let seats = |key: &str| served.form("/seats", &[("key", None, key.as_bytes())]);
    Page::read(seats(&license.key), 200).says("<h1>Seats: 0 of 3 in use</h1>").says("No device has a seat.");
    let chain = lab.request("dev1", &license);
    served.answered(&lab.read("dev1.cfbundle"));
    served.answered(&HandMade::new(2, &license).bundle());
    let typed = license.key.to_lowercase().replace('-', " ");
    let page = Page::read(seats(&typed), 200);
    page.says("<h1>Seats: 2 of 3 in use</h1>").says(&chain).says("has to report by").says("2 left for now");
    assert!(!page.html.contains(&license.key) && !page.html.contains("ACME"));

    let other = lab.issue();
    // The public part lies in the first two groups.
    let mixed = format!("{}{}", &license.key[..16], &other.key[16..]);
    let cases = [
        (mixed.as_str(), 404, "license_not_found"),
        (&license.id, 422, "license_key_mistyped"),
        ("", 422, "license_key_mistyped"),
    ];
    for (key, status, code) in cases {
        let page = Page::read(seats(key), status);
        page.says(&format!("<code>{code}</code>")).says("aria-describedby=\"key-help key-trouble\"");
        assert!(key.is_empty() || !page.html.contains(key), "a key is not repeated");
        assert!(!page.html.contains(&chain));
    }
}

#[test]
fn who_has_the_licence_key_takes_back_the_seat_of_a_lost_device_within_the_limit() {
    let lab = Lab::with_policy("--max-activations 3 --sync-every 30d --grace 7d --transfers 1/365d");
    let license = lab.issue();
    let served = lab.serve(FREE);
    let chains = ["dev1", "dev2"].map(|name| {
        let chain = lab.request(name, &license);
        served.answered(&lab.read(format!("{name}.cfbundle")));
        chain
    });
    let release = |key: &str, chain: &str| {
        served.form("/release", &[("key", None, key.as_bytes()), ("chain", None, chain.as_bytes())])
    };
    let other = lab.issue();
    let mixed = format!("{}{}", &license.key[..16], &other.key[16..]);
    for (key, chain, status, code) in [
        (mixed.as_str(), chains[0].as_str(), 404, "license_not_found"),
        (&other.key, &chains[0], 404, "chain_unknown"),
        (&license.key, &chains[0][..16], 404, "chain_unknown"),
        (&license.key, "<script>", 404, "chain_unknown"),
        ("", &chains[0], 422, "license_key_mistyped"),
    ] {
        let page = Page::read(release(key, chain), status);
        page.says(&format!("<code>{code}</code>"));
        assert!(!page.html.contains("<script>alert"));
    }
    assert_eq!(listed(&lab, "activation list --status released", "activations").len(), 0, "nothing changed");

    // The device may be at work until its deadline, its grace and the clock tolerance have passed.
    let page = Page::read(release(&license.key, &chains[0]), 200);
    page.says("The seat is free for another device from ").says("not free yet");
    let history = lab.vendor(&format!("audit history {}", license.id)).done();
    let events = history["events"].as_array().expect("events");
    let released =
        events.iter().find(|event| event["kind"] == "activation.released").expect("it is recorded");
    assert_eq!(released["body"]["why"], "customer", "{released}");
    Page::read(release(&license.key, &chains[0]), 409).says("<code>status_unchanged</code>");
    // The one seat that may move is on its way.
    Page::read(release(&license.key, &chains[1]), 409).says("<code>transfers_exhausted</code>");
    lab.vendor("rebuild --check").done();
}

#[test]
fn a_device_without_a_deadline_is_the_vendors_to_release() {
    let lab = Lab::with_policy("--max-activations 3");
    let license = lab.issue();
    let served = lab.serve(FREE);
    let chain = lab.request("dev1", &license);
    served.answered(&lab.read("dev1.cfbundle"));
    let page = Page::read(served.form("/seats", &[("key", None, license.key.as_bytes())]), 200);
    assert!(!page.html.contains("action=\"/release\""), "it cannot be done here");
    let form = [("key", None, license.key.as_bytes()), ("chain", None, chain.as_bytes())];
    Page::read(served.form("/release", &form), 409).says("<code>no_deadline</code>");
}
