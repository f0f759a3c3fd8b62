"""Comment files of every format, written here: texts are invented, quirks are the real ones."""

import json

HASH = "c5acbab2"

ROWS = [
    (3.5, "今天真的很感动"),
    (1.25, "哭了哭了"),
    (1.25, "second at the same time"),
    (0.0, "来了"),
]


def bilibili(rows=ROWS, mode=1, header="<chatid>1</chatid>", end="</i>"):
    body = "".join(
        f'<d p="{t},{mode},25,16777215,1626077354,0,{HASH},51870527213010951,10">{text}</d>'
        for t, text in rows
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><i>{header}{body}{end}'


def archive(rows=ROWS):
    body = "".join(
        f'<d p="5187052,0,{round(t * 1000)},1,25,16777215,1626077354,0,{HASH}">{text}</d>\n'
        for t, text in rows
    )
    return f"<oid>{body}</oid>"


def live(rows=ROWS):
    body = "".join(
        f'<d p="{t},1,25,16777215,1626077354123,0,{HASH},0" user="{HASH}" '
        f"raw='{{&quot;uid&quot;:&quot;{HASH}&quot;}}'>{text}</d>"
        f'<gift ts="{t}" user="{HASH}" giftname="花"/><sc ts="1" user="{HASH}" price="30">钱</sc>'
        for t, text in rows
    )
    return f'<?xml version="1.0" encoding="utf-8"?><i><metadata/>{body}</i>'


def niconico_json(rows=ROWS):
    return json.dumps([
        {"id": i, "vpos": round(t * 100), "content": text, "date": 1, "mail": ["184"],
         "user_id": HASH, "owner": False, "premium": True} for i, (t, text) in enumerate(rows)
    ], ensure_ascii=False)  # fmt: skip


def niconico_chats(rows=ROWS):
    chats = [{"chat": {"vpos": round(t * 100), "content": text, "user_id": HASH}} for t, text in rows]  # fmt: skip  # noqa: E501
    return json.dumps([{"ping": {"content": "rs:0"}}, {"thread": {"resultcode": 0}}, *chats])


def niconico_threads(rows=ROWS):
    comments = [{"vposMs": round(t * 1000), "body": text, "userId": HASH} for t, text in rows]
    return json.dumps({"meta": {"status": 200}, "data": {"threads": [{"comments": comments}]}})


def niconico_xml(rows=ROWS):
    body = "".join(
        f'<chat thread="1" no="{i}" vpos="{round(t * 100)}" date="1" user_id="{HASH}">{text}</chat>'
        for i, (t, text) in enumerate(rows)
    )
    return f'<?xml version="1.0"?><packet><thread resultcode="0"/>{body}</packet>'


def acfun(rows=ROWS):
    return json.dumps([{"c": f"{t},16777215,1,25,{HASH},1315564729.0", "m": x} for t, x in rows])


def csv(rows=ROWS):
    return "user,time,text\n" + "".join(f'{HASH},{t},"{text}"\n' for t, text in rows)


def json_lines(rows=ROWS):
    return "".join(json.dumps({"time": t, "text": x, "user": HASH}) + "\n" for t, x in rows)


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value % 2**64)
    return varint(number << 3 | 2) + varint(len(value)) + value


def protobuf(rows=ROWS, mode=1):
    out = b""
    for i, (t, text) in enumerate(rows):
        element = field(1, 51870527213010951 + i)
        if t:  # a zero is not written
            element += field(2, round(t * 1000))
        element += field(3, mode) + field(4, 25) + field(6, HASH.encode())
        element += field(7, text.encode()) + field(9, 10) + field(12, b"51870527213010951")
        out += field(1, element)
    return out


FILES = {
    "bilibili xml": bilibili,
    "bilibili archive xml": archive,
    "bilibili live xml": live,
    "bilibili protobuf": protobuf,
    "niconico json": niconico_json,
    "niconico chats": niconico_chats,
    "niconico threads": niconico_threads,
    "niconico xml": niconico_xml,
    "acfun json": acfun,
    "csv": csv,
    "json table": json_lines,
}


def as_bytes(made):
    return made if isinstance(made, bytes) else made.encode()
