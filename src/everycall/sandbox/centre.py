"""The seeded contact centre itself: who works there, which queues they serve, which codes they set.

Nothing here knows a conversation or a clock. Every name is made up by combining parts; e-mail addresses
are at example.com and example.org, telephone numbers in +1 202 555, IP addresses in the documentation ranges.
Some names are awkward, as in a real org: umlauts, accents, CJK, quotes, commas, and a leading `=`, which a
spreadsheet takes for a formula.

People and queues that are gone (state "deleted") stay in history, as they do in a real org. A pure function of
seed and day knows no today, so nobody here can have left "last month": those who are gone worked on Mondays,
as temporary staff for the week's peak, in any week that one looks at.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from everycall.sandbox.rng import Rng

FIRST_NAMES = (
    "Ada Alba Anselm Arlo Beatrix Bram Cecily Clemens Dario Delphine Edda Emeric Fenna Florin Greta "
    "Gustav Hanneke Hugo Ilse Ivo Jorun Jules Katla Kester Leonie Linus Maren Matteo Nadia Nils Odile "
    "Oskar Petra Piet Quentin Ragna Remy Sanna Silas Tamsin Tibor Ulla Urs Vesna Viktor Wanda Willem "
    "Yara Yorick Zelda"
).split()
LAST_NAMES = (
    "Abendroth Aldersey Bellweather Brackenbury Castellane Corvane Dahlstrand Dunmorrow Eastlake "
    "Eisenhart Fairweather Ferndale Gallowglen Grunwaldt Hartfield Hollenbeck Ingleborn Isaksberg "
    "Jansonne Juniper Kestrelli Kronsted Lindqvale Lockhaven Marchetti-Vale Merriweather Nachtigal "
    "Norrington Oakhurst Ostermeer Pemberlake Perrault-Dix Quillfeather Rosendaal Rookwood Silverthorne "
    "Steenbergh Tannenwald Thistlewood Umberland Valmont Vanderlocke Waldstein Winterbourne Yarrowby "
    "Zimmerlund"
).split()
# User number -> the name that this user has instead of a combination of the above; all of them are active.
AWKWARD_USER_NAMES = {
    3: "Jürgen Weißmüller",
    9: "Zoë D'Aubigné-Castellane",
    14: "佐藤 美咲",
    22: 'Ada "Addie" Corvane, Jr.',
    28: "Łucja Šimková",
    33: "=Temp Agent 3",
    44: "Søren Ångstrøm",
}
CUSTOMER_FIRST_NAMES = (*FIRST_NAMES, "Jörg", "Renée", "Íñigo", "Bjørk", "美咲", "Agnieszka")
CUSTOMER_LAST_NAMES = (*LAST_NAMES, "Grüßmann", "Núñez-Ferndale", "O'Hartfield", "Čapková", "佐藤", '"Mac" Valmont')
DIVISION_NAMES = ("Home", "Retail", "Business")
# Name, division, share of the org's conversations in per mille, and the media that come to it.
QUEUES = (
    ("Billing", 1, 190, "voice callback email chat"),
    ("Sales", 1, 150, "voice callback chat message outbound"),
    ("Technical Support", 1, 180, "voice callback chat message email"),
    ("Customer Care", 1, 140, "voice email message chat"),
    ("Orders & Delivery", 1, 100, "voice email message"),
    ("Returns", 1, 60, "email chat message"),
    ("法人窓口 Business", 2, 70, "voice callback email"),
    ("Business Support", 2, 60, "voice email message"),
    ("Kündigung & Verlängerung", 2, 40, "voice callback outbound"),
    ("Recouvrement, dernière relance", 0, 40, "voice outbound"),
    ("Back Office", 0, 30, "email"),
    ('=Switchboard "Zürich"', 0, 40, "voice"),
)
DELETED_QUEUES = (
    ("Spring Promotion Hotline", 1, 12, "voice callback chat message"),
    ("Assistance (hérité)", 2, 12, "voice email"),
)
WRAP_UP_CODE_NAMES = (
    "Resolved",
    "Resolved - First Contact",
    "Follow-up Required",
    "Escalated",
    "Callback Promised",
    "Information Given",
    "Invoice Explained",
    "Payment Arranged",
    "Refund Issued",
    "Address Changed",
    "Order Placed",
    "Order Cancelled",
    "Delivery Delayed",
    "Return Registered",
    "Complaint",
    "Technical Fault",
    "Restart Helped",
    "=Engineer Booked",
    "Contract Renewed",
    "Kündigung bestätigt",
    "Not Interested",
    "Wrong Number",
    '"Silent" Call',
    "Sprachbarriere / 言語の壁",
    "Test / Training",
)
SKILL_NAMES = (
    "Invoices",
    "Contracts",
    "Broadband",
    "Mobile",
    "Returns Handling",
    "Complaints",
    "Key Accounts",
)
LANGUAGE_NAMES = ("English - Spoken", "German - Spoken", "French - Written", "Spanish - Spoken")
FLOWS = (
    ("Main Menu", "INBOUNDCALL"),
    ("Business Menu", "INBOUNDCALL"),
    ("After Hours", "INBOUNDCALL"),
    ("In-Queue Music", "INQUEUECALL"),
    ("Voicemail Box", "VOICEMAIL"),
    ("Campaign Greeting", "OUTBOUNDCALL"),
    ("Satisfaction Survey", "VOICESURVEY"),
    ("Web Chat Entry", "INBOUNDCHAT"),
    ("Mail Sorting", "INBOUNDEMAIL"),
    ("Message Routing", "INBOUNDSHORTMESSAGE"),
    ("Help Bot", "DIGITALBOT"),
    ("Order Status Bot", "BOT"),
    ("Old Main Menu", "INBOUNDCALL"),
)
RARE_FLOWS = (
    ("Card Payment", "SECURECALL"),
    ("Voice Assistant", "VOICE"),
    ("Menú de voz", "SPEECH"),
    ("Follow-Up Ticket", "WORKITEM"),
    ("Night Shift Rerouting", "WORKFLOW"),
    ("Shared Greeting", "COMMONMODULE"),
    ("Survey Invitation", "SURVEYINVITE"),
    ("In-Queue Mail", "INQUEUEEMAIL"),
    ("Mail Acknowledgement", "EMAILSEND"),
    ("Complaint Process", "BUSINESSPROCESS"),
    ("In-Queue Message", "INQUEUESHORTMESSAGE"),
)
CAMPAIGN_NAMES = ("Renewal Reminder", "Payment Reminder", "Win Back", "Delivery Survey")
MESSAGING_CAMPAIGNS = (("Appointment Reminder", "sms"), ("Rückruf-Angebot", "sms"), ("Spring Newsletter", "email"))
# What an org may ask of its queues; the first are the values that a new queue has.
SERVICE_LEVELS: tuple[Mapping[str, tuple[float, int]], ...] = (
    {
        "call": (0.8, 20_000),
        "callback": (0.8, 20_000),
        "chat": (0.8, 20_000),
        "email": (0.8, 86_400_000),
        "message": (0.8, 20_000),
    },
    {
        "call": (0.9, 60_000),
        "callback": (0.8, 300_000),
        "chat": (0.85, 45_000),
        "email": (0.95, 14_400_000),
        "message": (0.9, 3_600_000),
    },
    {
        "call": (0.7, 120_000),
        "callback": (0.8, 900_000),
        "chat": (0.8, 90_000),
        "email": (0.9, 3_600_000),
        "message": (0.8, 300_000),
    },
)
SYSTEM_CODES = ("ININ-WRAP-UP-TIMEOUT", "ININ-WRAP-UP-SKIPPED", "ININ-WRAP-UP-DELETED")
DELETED = "deleted"


@dataclass(frozen=True, slots=True, eq=False)
class User:
    """A user who answers conversations."""

    id: str
    name: str
    email: str
    division_id: str
    state: str
    """active, inactive or deleted."""
    team_id: str
    """Empty for the many who belong to no team."""
    station: str
    """The address at which the telephone of this user is reached."""


@dataclass(frozen=True, slots=True, eq=False)
class Queue:
    """A queue with all that routing needs to know of it."""

    id: str
    name: str
    division_id: str
    division_ids: tuple[str, ...]
    """The divisions of a conversation that only this queue saw."""
    share: int
    media: frozenset[str]
    deleted: bool
    members: tuple[User, ...]
    temporary_members: tuple[User, ...]
    """The members and those who are gone by now: who answered on a Monday."""
    codes: tuple[str | None, ...]
    """What ends up in a wrap-up, by weight: codes of the org, of the system, and None for none."""
    skill_ids: tuple[str, ...]
    language_id: str
    number: str
    mailbox: str
    service_levels: Mapping[str, tuple[float, int]]
    """For each kind of media (call, callback, chat, email, message): the share that is to be answered in time, from 0
    to 1, and within how many milliseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """An Architect flow."""

    id: str
    name: str
    type: str
    version: str
    outcome_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Campaign:
    """An outbound campaign with the lists that it dials from."""

    id: str
    name: str
    queue: Queue
    contact_list_id: str
    script_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Centre:
    """The contact centre: everything that a conversation can refer to by id."""

    seed: int
    organization: dict[str, Any]
    entities: dict[str, list[dict[str, Any]]]
    """Kind of look-up -> the API's JSON objects, in the order of creation, deleted ones included."""
    division_ids: tuple[str, ...]
    """The home division first."""
    queues: tuple[Queue, ...]
    """Those that are gone last."""
    users: tuple[User, ...]
    flows: dict[str, tuple[Flow, ...]]
    """Flows by type."""
    campaigns: tuple[Campaign, ...]
    group_ids: tuple[str, ...]
    edge_ids: tuple[str, ...]
    switchboard: tuple[User, ...]
    """Those who can be called directly."""


def centre(seed: int, size: int) -> Centre:
    """The contact centre of a seed, with `size` users."""
    rng = Rng(f"centre/{seed}")
    divisions = [_division(rng, name) for name in DIVISION_NAMES]
    division_ids = tuple(d["id"] for d in divisions)
    codes = [_wrap_up_code(rng, name, divisions[0]) for name in WRAP_UP_CODE_NAMES]
    skills = [_routing(rng, name, "skills") for name in SKILL_NAMES]
    languages = [_routing(rng, name, "languages") for name in LANGUAGE_NAMES]
    teams = [_team(rng, name, divisions) for name in ("Morning", "Midi", "Spätschicht", "Business")]
    users = _users(rng, size, division_ids, [t["id"] for t in teams])
    queues = _queues(rng, users, division_ids, [c["id"] for c in codes], skills, languages)
    flows = [_flow(rng, name, kind) for name, kind in FLOWS]
    rare = Rng(f"centre/{seed}/rare flows")
    flows += [_flow(rare, name, kind) for name, kind in RARE_FLOWS]
    campaigns = _campaigns(rng, queues)
    messaging = Rng(f"centre/{seed}/messaging campaigns")
    groups = [_group(rng, name, size) for name in ("All Agents", "Floor Walkers", "Specialists")]
    return Centre(
        seed=seed,
        organization=_organization(rng),
        entities={
            "divisions": divisions,
            "queues": [_queue_json(q, divisions) for q in queues],
            "users": [_user_json(u, divisions) for u in users],
            "wrapupcodes": codes,
            "flows": [_flow_json(f, divisions[0]) for f in flows],
            "skills": skills,
            "languages": languages,
            "groups": groups,
            "teams": teams,
            "campaigns": [_campaign_json(c) for c in campaigns],
            "messagingcampaigns": [
                _messaging_campaign(messaging, *named, divisions[0]) for named in MESSAGING_CAMPAIGNS
            ],
        },
        division_ids=division_ids,
        queues=queues,
        users=users,
        flows={
            kind: tuple(f for f in flows if f.type == kind and not f.name.startswith("Old"))
            for _, kind in (*FLOWS, *RARE_FLOWS)
        },
        campaigns=campaigns,
        group_ids=tuple(g["id"] for g in groups),
        edge_ids=tuple(rng.uuid() for _ in range(6)),
        switchboard=tuple(u for u in users if u.state == "active"),
    )


def _created(rng: Rng) -> str:
    return f"202{rng.between(0, 3)}-{rng.between(1, 12):02d}-{rng.between(1, 28):02d}T09:{rng.below(60):02d}:00.000Z"


def _reference(division: dict[str, Any]) -> dict[str, Any]:
    return {"id": division["id"], "name": division["name"], "selfUri": division["selfUri"]}


def _division(rng: Rng, name: str) -> dict[str, Any]:
    new = rng.uuid()
    return {
        "id": new,
        "name": name,
        "description": f"{name} division",
        "homeDivision": name == DIVISION_NAMES[0],
        "selfUri": f"/api/v2/authorization/divisions/{new}",
    }


def _wrap_up_code(rng: Rng, name: str, division: dict[str, Any]) -> dict[str, Any]:
    new = rng.uuid()
    return {
        "id": new,
        "name": name,
        "division": _reference(division),
        "dateCreated": _created(rng),
        "createdBy": rng.uuid(),
        "selfUri": f"/api/v2/routing/wrapupcodes/{new}",
    }


def _routing(rng: Rng, name: str, kind: str) -> dict[str, Any]:
    new = rng.uuid()
    return {
        "id": new,
        "name": name,
        "dateModified": _created(rng),
        "state": "active",
        "version": "1",
        "selfUri": f"/api/v2/routing/{kind}/{new}",
    }


def _team(rng: Rng, name: str, divisions: list[dict[str, Any]]) -> dict[str, Any]:
    new = rng.uuid()
    return {
        "id": new,
        "name": name,
        "division": _reference(rng.pick(divisions)),
        "dateCreated": _created(rng),
        "memberCount": rng.between(12, 30),
        "selfUri": f"/api/v2/teams/{new}",
    }


def _group(rng: Rng, name: str, size: int) -> dict[str, Any]:
    new = rng.uuid()
    return {
        "id": new,
        "name": name,
        "dateModified": _created(rng),
        "memberCount": rng.between(2, size),
        "state": "active",
        "version": rng.between(1, 9),
        "type": "official",
        "rulesVisible": True,
        "visibility": "public",
        "selfUri": f"/api/v2/groups/{new}",
    }


def _organization(rng: Rng) -> dict[str, Any]:
    return {
        "id": rng.uuid(),
        "name": "Larkspur & Finch",
        "defaultLanguage": "en-US",
        "defaultCountryCode": "US",
        "thirdPartyOrgName": "larkspur-finch",
        "domain": "example.com",
        "version": 12,
        "state": "active",
        "voicemailEnabled": True,
        "productPlatform": "GenesysCloud",
        "selfUri": "/api/v2/organizations/me",
    }


def _users(rng: Rng, size: int, division_ids: tuple[str, ...], team_ids: list[str]) -> tuple[User, ...]:
    names: dict[str, None] = {}
    while len(names) < size:
        names[f"{rng.pick(FIRST_NAMES)} {rng.pick(LAST_NAMES)}"] = None
    return tuple(_user(rng, n, AWKWARD_USER_NAMES.get(n, name), division_ids, team_ids) for n, name in enumerate(names))


def _user(rng: Rng, number: int, name: str, division_ids: tuple[str, ...], team_ids: list[str]) -> User:
    # One in twelve is gone and one in sixteen inactive, wherever the size of the org ends.
    state = DELETED if number % 12 == 7 else "inactive" if number % 16 == 11 else "active"
    return User(
        id=rng.uuid(),
        name=name,
        email=f"{_address(name, number)}@example.com",
        division_id=division_ids[(0, 1, 1, 1, 2)[number % 5]],
        state=state,
        team_id=rng.pick(team_ids) if number % 5 < 3 else "",
        station=f"sip:{rng.uuid().replace('-', '')[:24]}+example.com;tgrp={rng.uuid()}@localhost",
    )


def _address(name: str, number: int) -> str:
    """What stands before the @ for a name: its letters without accents; the user's number where there are none."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ø", "o").replace("Ł", "L"))
    parts = "".join(c for c in plain if c.isascii() and (c.isalnum() or c in " -")).lower().split()
    return ".".join(parts) or f"user{number}"


def _user_json(user: User, divisions: list[dict[str, Any]]) -> dict[str, Any]:
    division = next(d for d in divisions if d["id"] == user.division_id)
    return {
        "id": user.id,
        "name": user.name,
        "division": _reference(division),
        "chat": {"jabberId": f"{user.id.replace('-', '')[:24]}@example.com"},
        "department": f"{division['name']} Service",
        "email": user.email,
        "primaryContactInfo": [{"address": user.email, "mediaType": "EMAIL", "type": "PRIMARY"}],
        "addresses": [],
        "state": user.state,
        "title": "Agent",
        "username": user.email,
        "version": 7,
        "acdAutoAnswer": False,
        "selfUri": f"/api/v2/users/{user.id}",
    }


def _queues(
    rng: Rng,
    users: tuple[User, ...],
    division_ids: tuple[str, ...],
    code_ids: list[str],
    skills: list[dict[str, Any]],
    languages: list[dict[str, Any]],
) -> tuple[Queue, ...]:
    made = []
    for number, (name, division, share, media) in enumerate(QUEUES + DELETED_QUEUES):
        staff = [u for at, u in enumerate(users) if u.state != "inactive" and (at + number) % 4 < 2]
        owner = division_ids[division]
        made.append(
            Queue(
                id=rng.uuid(),
                name=name,
                division_id=owner,
                division_ids=(owner,) if number % 3 else tuple(dict.fromkeys((owner, division_ids[0]))),
                share=share,
                media=frozenset(media.split()),
                deleted=number >= len(QUEUES),
                members=tuple(u for u in staff if u.state == "active"),
                temporary_members=tuple(staff),
                codes=_codes(rng, code_ids),
                skill_ids=(rng.pick(skills)["id"],) if number % 2 else (),
                language_id=languages[number % 7]["id"] if number % 7 < len(languages) else "",
                number=f"tel:+1202555{1000 + number:04d}",
                mailbox=f"{''.join(c for c in name.lower() if c.isascii() and c.isalpha())}@example.com",
                service_levels=SERVICE_LEVELS[number % len(SERVICE_LEVELS)],
            )
        )
    return tuple(made)


def _codes(rng: Rng, code_ids: list[str]) -> tuple[str | None, ...]:
    favourites = [rng.pick(code_ids) for _ in range(9)]
    return (
        *(rng.pick(favourites) for _ in range(40)),
        *(rng.pick(code_ids) for _ in range(12)),
        *(SYSTEM_CODES[0],) * 5,
        *(SYSTEM_CODES[1],) * 2,
        SYSTEM_CODES[2],
        *(None,) * 4,
    )


def _queue_json(queue: Queue, divisions: list[dict[str, Any]]) -> dict[str, Any]:
    """A queue as the API gives it; fields and their order as in SDK 269, model `Queue`."""
    rng = Rng(f"queue/{queue.id}")
    return {
        "id": queue.id,
        "name": queue.name,
        "division": _reference(next(d for d in divisions if d["id"] == queue.division_id)),
        **({"description": f"Serves {', '.join(sorted(queue.media))}"} if rng.chance(500) else {}),
        "dateCreated": _created(rng),
        "dateModified": "2024-03-01T09:00:00.000Z",
        "modifiedBy": rng.uuid(),
        "createdBy": rng.uuid(),
        "memberCount": len(queue.members),
        "userMemberCount": len(queue.members),
        "joinedMemberCount": len(queue.members) // 2,
        "mediaSettings": {media: _media_settings(media, *asked) for media, asked in queue.service_levels.items()},
        "routingRules": [{"operator": "MEETS_THRESHOLD", "threshold": 8, "waitSeconds": 10}] * rng.chance(400),
        "scoringMethod": "PriorityOnly" if rng.chance(200) else "TimestampAndPriority",
        "lastAgentRoutingMode": rng.pick(("Disabled", "QueueMembersOnly", "AnyAgent")),
        "acwSettings": rng.pick(ACW_SETTINGS),
        "skillEvaluationMethod": "ALL" if queue.skill_ids else "NONE",
        "autoAnswerOnly": True,
        "enableTranscription": False,
        "enableManualAssignment": False,
        "defaultScripts": _default_scripts(rng) if rng.chance(600) else {},
        # NOTE: a queue of the API has no state; it marks those that listings leave out.
        **({"state": DELETED} if queue.deleted else {}),
        "selfUri": f"/api/v2/routing/queues/{queue.id}",
    }


ACW_SETTINGS = (
    {"wrapupPrompt": "OPTIONAL"},
    {"wrapupPrompt": "MANDATORY"},
    {"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 60_000},
    {"wrapupPrompt": "MANDATORY_FORCED_TIMEOUT", "timeoutMs": 75_000},
)


def _media_settings(media: str, percentage: float, duration_ms: int) -> dict[str, Any]:
    return {
        "enableAutoAnswer": False,
        "alertingTimeoutSeconds": 300 if media == "email" else 30,
        "serviceLevel": {"percentage": percentage, "durationMs": duration_ms},
        **({"subTypeSettings": {}} if media == "message" else {}),
    }


def _default_scripts(rng: Rng) -> dict[str, Any]:
    script_id = rng.uuid()
    return {"CALL": {"id": script_id, "selfUri": f"/api/v2/scripts/{script_id}"}}


def _flow(rng: Rng, name: str, kind: str) -> Flow:
    return Flow(
        id=rng.uuid(),
        name=name,
        type=kind,
        version=f"{rng.between(3, 60)}.0",
        outcome_ids=tuple(rng.uuid() for _ in range(3)),
    )


def _flow_json(flow: Flow, division: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": flow.id,
        "name": flow.name,
        "division": _reference(division),
        "type": flow.type,
        "active": not flow.name.startswith("Old"),
        "system": False,
        "deleted": flow.name.startswith("Old"),
        "publishedVersion": {"id": flow.version, "name": flow.version},
        "selfUri": f"/api/v2/flows/{flow.id}",
    }


def _campaigns(rng: Rng, queues: tuple[Queue, ...]) -> tuple[Campaign, ...]:
    served = [q for q in queues if "outbound" in q.media]
    return tuple(
        Campaign(rng.uuid(), name, served[at % len(served)], rng.uuid(), rng.uuid())
        for at, name in enumerate(CAMPAIGN_NAMES)
    )


def _campaign_json(campaign: Campaign) -> dict[str, Any]:
    return {
        "id": campaign.id,
        "name": campaign.name,
        "version": 3,
        "contactList": {"id": campaign.contact_list_id},
        "queue": {"id": campaign.queue.id, "name": campaign.queue.name},
        "dialingMode": "progressive",
        "script": {"id": campaign.script_id},
        "campaignStatus": "on",
        "callerName": "Larkspur & Finch",
        "callerAddress": campaign.queue.number.removeprefix("tel:"),
        "selfUri": f"/api/v2/outbound/campaigns/{campaign.id}",
    }


def _messaging_campaign(rng: Rng, name: str, media: str, division: dict[str, Any]) -> dict[str, Any]:
    """A campaign by SMS or e-mail, as in SDK 269's model `MessagingCampaign`.

    It is switched off and has never run, since no conversation of the sandbox comes out of one.
    """
    new = rng.uuid()
    template = {"id": rng.uuid()}
    sms = {
        "phoneColumn": "mobile",
        "senderSmsPhoneNumber": {"phoneNumber": "+12025550199"},
        "contentTemplate": template,
    }
    email = {
        "emailColumns": ["email"],
        "contentTemplate": template,
        "fromAddress": {"domain": {"id": "example.com"}, "friendlyName": "Larkspur & Finch", "localPart": "news"},
    }
    return {
        "id": new,
        "name": name,
        "dateCreated": _created(rng),
        "version": 1,
        "division": _reference(division),
        "campaignStatus": "off",
        "contactList": {"id": rng.uuid()},
        "alwaysRunning": False,
        "messagesPerMinute": 10,
        **({"smsConfig": sms} if media == "sms" else {"emailConfig": email}),
        "selfUri": f"/api/v2/outbound/messagingcampaigns/{new}",
    }
