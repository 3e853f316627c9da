"""A device that records offline until it is killed: recording.py FOLDER. It prints the id of each record once it is saved."""

import asyncio
import sys

import lastmile
from lastmile import ActivityCategory, NewActivity, NewParticipation, NewPerson, PersonKind, PersonPartyStatus


async def record(folder: str) -> None:
    replica = await lastmile.open(folder)
    activity, person = lastmile.new_record_id(), lastmile.new_record_id()
    await replica.save(
        NewPerson(
            name="张三", party_status=PersonPartyStatus.PARTY_MEMBER, kind=[PersonKind.MEMBER], phone=["13800138000"]
        ).edit(lastmile.happened("consent", version="1"), id=person),
        NewActivity(
            title="清洁日", category=ActivityCategory.ENVIRONMENT, date="2025-03-05", beneficiaries=20, tags=["环保"]
        ).edit("hold", id=activity),
        NewParticipation(activity=activity, person=person).edit(),
    )
    print(activity, person, flush=True)
    await asyncio.sleep(600)


asyncio.run(record(sys.argv[1]))
