//! A live capture's clock, ticks and queues, without one.

use super::*;

#[test]
fn packet_time_goes_on_without_packets() {
    let begin = Instant::now();
    let after = |ms| begin + Duration::from_millis(ms);
    let mut clock = TraceClock::new(begin);
    let packet = Timestamp(5_000_000_000);
    assert_eq!(clock.now(packet, after(100)), packet);
    assert_eq!(clock.now(packet, after(900)), packet);
    assert_eq!(clock.now(packet, after(2_100)), Timestamp(7_000_000_000));
    let next = Timestamp(6_000_000_000);
    assert_eq!(clock.now(next, after(2_200)), next);
}

#[test]
fn a_tick_waits_for_a_full_queue_and_goes_to_each_worker_once() {
    let (queues, receivers): (Vec<_>, Vec<_>) = (0..2).map(|_| bounded::<Parcel>(1)).unzip();
    let mut ticker = Ticker::new(queues);
    assert!(ticker.begin(Timestamp(1), false));
    ticker.push();
    assert!(ticker.begin(Timestamp(2), true));
    ticker.push();
    assert_eq!(ticker.pending, [0, 1], "both queues are full");
    assert!(!ticker.begin(Timestamp(3), true), "one at a time");
    let epochs = |receiver: &Receiver<Parcel>| {
        let parcel = receiver.try_recv().expect("a tick");
        parcel.block.tick.map(|tick| (tick.epoch, tick.last))
    };
    let [first, second] = receivers.as_slice() else {
        unreachable!("there are two")
    };
    assert_eq!(epochs(first), Some((0, false)));
    ticker.push();
    assert_eq!(ticker.pending, [1]);
    assert_eq!(epochs(second), Some((0, false)));
    ticker.push();
    assert_eq!(
        (epochs(first), epochs(second)),
        (Some((1, true)), Some((1, true)))
    );
    assert!(ticker.pending.is_empty() && first.is_empty() && second.is_empty());
}

#[test]
fn a_full_queue_drops_and_counts() {
    let limits = Limits::default();
    let (queue, receiver) = bounded::<Parcel>(1);
    let (_pool_tx, pool) = bounded(1);
    let (numbers, losses, counters) = (AtomicU64::new(0), Losses::default(), Counters::default());
    let mut filler = Filler::new(
        &limits,
        vec![queue],
        pool,
        (&numbers, &losses, &counters),
        Hasher::random(),
    );
    // Ethernet, IPv4, UDP without payload.
    let mut frame = vec![0_u8; 12];
    frame.extend([8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0, 54, 0, 8, 0, 0]);
    for second in 1..=3 {
        let packet = LivePacket {
            bytes: &frame,
            wire_len: frame.len(),
            time: Timestamp(second * 1_000_000_000),
        };
        for _ in 0..second {
            filler.packet(crate::decode::LinkType(1), &packet);
        }
        filler.flush();
    }
    let queue_drops = |queue| Drops {
        queue,
        ..Drops::default()
    };
    assert_eq!(losses.seconds(), [(2, queue_drops(2)), (3, queue_drops(3))]);
    assert_eq!(counters.packets.load(Ordering::Relaxed), 6);
    let parcel = receiver.try_recv().expect("the first block");
    let lane = parcel.block.lanes.first().map(|lane| lane.packets.len());
    assert_eq!(lane, Some(1));
    // A worker that takes something is waited for again.
    filler.packet(
        crate::decode::LinkType(1),
        &LivePacket {
            bytes: &frame,
            wire_len: frame.len(),
            time: Timestamp(4_000_000_000),
        },
    );
    filler.flush();
    assert_eq!(
        (filler.behind.clone(), losses.total().queue),
        (vec![false], 5)
    );
}
