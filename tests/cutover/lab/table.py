"""The table: prediction against reality for every pair."""

import collections


def show(saved, verbose):
    """Prints it; gives the exit code."""
    pairs = saved["pairs"]
    wide = max((len(p["client"]) for p in pairs), default=0)
    groups = collections.defaultdict(list)
    for pair in pairs:
        groups[pair["program"], pair["policy"]].append(pair)
    for (program, policy), group in groups.items():
        count = collections.Counter(str(p["right"]) for p in group)
        disputed = sum(p["reality"] == "disputed" for p in group)
        print(f"{program} {policy}: {len(group)} pairs, right {count['True']}, wrong {count['False'] - disputed}, unknown {count['None']}, disputed {disputed}")
        for p in group:
            if verbose or not p["right"]:
                mark = {True: "right", False: "WRONG", None: "unknown"}[p["right"]] if p["reality"] != "disputed" else "DISPUTED"
                print(f"  {mark:8} {p['client']:{wide}}  predicted {p['verdict']:14} happened {p['reality']:9} {' '.join(p['reasons'])}")
                if mark in ("WRONG", "DISPUTED"):
                    print(f"           client: {p['client_said']}\n           server: {p['server_said']}")
    right = sum(p["right"] is True for p in pairs)
    unknown = sum(p["right"] is None for p in pairs)
    disputed = sum(p["reality"] == "disputed" for p in pairs)
    wrong = sum(p["right"] is False and p["reality"] != "disputed" for p in pairs)
    reasons = collections.Counter(" ".join(p["reasons"]) for p in pairs if p["right"] is None)
    for reason, count in reasons.most_common():
        print(f"unknown because of {reason or 'no reason'}: {count}")
    either = sum(p["right"] is True and p["verdict"] == "breaks" and p["reality"] == "cleartext" for p in pairs)
    print(f"of the right ones, {either} went in the clear where `breaks` left open which")
    stacks = len({p["stack"] for p in pairs})
    print(f"{len(pairs)} pairs, {len({p['client'] for p in pairs})} clients of {stacks} stacks, {len(groups)} servers: "
          f"right {right}, wrong {wrong}, unknown {unknown}, disputed {disputed}")
    return 1 if wrong or disputed or not pairs else 0
