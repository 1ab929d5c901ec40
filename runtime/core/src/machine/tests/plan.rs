//! The routes of a job, and the offer that counts on each.

use super::*;
use crate::decision::Refusal;

fn offer(terms: Terms, price: u64) -> Offer {
    Offer {
        price: Msat::new(price),
        cap: Msat::new(2 * price),
        ..fresh(terms).0.plan.offer.clone()
    }
}

/// The plan for a job with this bid, by these answers about the routes `0`, `1` and so on.
fn plan(bid: Option<u64>, answers: Vec<Result<Offer, Refusal>>) -> Result<Plan, Refusal> {
    let (state, _) = fresh(Terms::OnDelivery);
    let job = Job { bid: bid.map(Msat::new), ..Job::clone(&state.job) };
    let mut quotes = Quotes::new(&job);
    for (number, answer) in answers.into_iter().enumerate() {
        quotes.add(route(&number.to_string()), answer);
    }
    quotes.into_plan(1, &state.plan.context, &[])
}

/// A case, the bid, the answers about the routes "0", "1" and so on, and the routes of the plan.
type Row = (&'static str, Option<u64>, Vec<Result<Offer, Refusal>>, &'static [&'static str]);

/// Goal: a job runs only on routes that pricing has offered, on the conditions that the customer
/// got. Method: answers about the routes, and the routes of the plan.
#[test]
fn only_agreed_routes_are_planned() {
    use Terms::{BeforeWork, Free, Hold, OnDelivery};
    let (no, ok) = (|| Err(Refusal::Blocked), |terms, price| Ok(offer(terms, price)));
    let first = || ok(OnDelivery, 10);
    let with = |change: &dyn Fn(&mut Offer)| {
        let mut other = offer(OnDelivery, 10);
        change(&mut other);
        Ok(other)
    };
    let rows: Vec<Row> = vec![
        ("all", None, vec![first(), ok(OnDelivery, 30), ok(OnDelivery, 5)], &["0", "1", "2"]),
        ("vetoed", None, vec![first(), no(), first()], &["0", "2"]),
        ("the first is vetoed", None, vec![no(), first()], &["1"]),
        (
            "above the bid",
            Some(20),
            vec![first(), ok(OnDelivery, 21), ok(OnDelivery, 20)],
            &["0", "2"],
        ),
        ("the first is above the bid", Some(20), vec![ok(OnDelivery, 21), first()], &["1"]),
        ("other terms", None, vec![first(), ok(BeforeWork, 5), ok(Free, 0)], &["0"]),
        ("not free after all", None, vec![ok(Free, 0), first(), ok(Free, 0)], &["0", "2"]),
        (
            "above the invoice",
            None,
            vec![ok(Hold, 10), ok(Hold, 11), ok(Hold, 10), ok(Hold, 9)],
            &["0", "2", "3"],
        ),
        ("fewer tokens", None, vec![first(), with(&|it| it.max_output_tokens -= 1)], &["0"]),
        ("less time", None, vec![first(), with(&|it| it.max_work_ms -= 1)], &["0"]),
        (
            "more of both",
            None,
            vec![
                first(),
                with(&|it| {
                    it.max_output_tokens += 1;
                    it.max_work_ms += 1;
                }),
            ],
            &["0", "1"],
        ),
    ];
    for (what, bid, answers, expected) in rows {
        let plan = plan(bid, answers).unwrap();
        let routes: Vec<_> = plan.routes.iter().map(|route| route.target.model()).collect();
        assert_eq!(routes, expected, "{what}");
        assert_eq!(plan.context.route, plan.routes[0], "{what}");
        assert_eq!(plan.fallback_offers.len() + 1, plan.routes.len(), "{what}");
    }
    let none = plan(Some(5), vec![first(), no()]);
    assert_eq!(none, Err(Refusal::BidTooLow(Msat::new(10))), "that of the first");
    assert_eq!(plan(None, vec![]), Err(Refusal::NoBackend));
}

/// Goal: the customer is charged by the offer for the route that did the work, and pays what was
/// invoiced before it. Method: a dearer and a cheaper fallback, an old plan without offers for
/// them, and a prepaid job.
#[test]
fn served_route_decides_the_price() {
    let ok = |terms, price| Ok(offer(terms, price));
    let answers = |terms| vec![ok(terms, 20), ok(terms, 30), ok(terms, 10)];
    let on_delivery = plan(None, answers(Terms::OnDelivery)).unwrap();
    let old = Plan { fallback_offers: Vec::new(), ..on_delivery.clone() };
    let prepaid = plan(None, answers(Terms::BeforeWork)).unwrap();
    for (what, plan, on, price, asked_about) in [
        ("before the work", &on_delivery, None, 20, "0"),
        ("the first", &on_delivery, Some("0"), 20, "0"),
        ("dearer", &on_delivery, Some("1"), 30, "1"),
        ("cheaper", &on_delivery, Some("2"), 10, "2"),
        ("an old row", &old, Some("1"), 20, "0"),
        ("prepaid", &prepaid, Some("2"), 20, "0"),
    ] {
        let (state, _) = fresh(plan.offer.terms);
        let (mut state, _) = admit(Job::clone(&state.job), plan.clone(), NOW);
        if let Some(model) = on {
            state.invoice = None;
            state.execution = Execution::Received;
            step(&mut state, Scheduled, NOW);
            step(&mut state, ran_on(1, model, false), NOW);
        }
        let used = route(on.unwrap_or("0"));
        let context = plan.context_for(&used);
        assert_eq!(
            (state.offer().price.get(), state.cap().get(), context.route.target.model()),
            (price, 2 * price, asked_about),
            "{what}"
        );
    }
    // A row of an earlier version has no such column.
    let mut json = serde_json::to_value(&on_delivery).unwrap();
    json.as_object_mut().unwrap().remove("fallback_offers");
    assert_eq!(serde_json::from_value::<Plan>(json).unwrap(), old);
}
