"""What every script begins with: clients of the server whose address is the first argument."""

import json
import sys

import boto3

ACCOUNT = "123456789012"


def client(name, region="eu-central-1", **keys):
    keys = keys or {"aws_access_key_id": "AKIAEXAMPLEEXAMPLE12", "aws_secret_access_key": "example/secret+key"}
    return boto3.client(name, region_name=region, endpoint_url=sys.argv[1], **keys)


def policy(actions, resource="*"):
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


iam, sso, store = client("iam", "us-east-1"), client("sso-admin"), client("identitystore")
instance = sso.list_instances()["Instances"][0]
here = {"InstanceArn": instance["InstanceArn"]}
of_store = {"IdentityStoreId": instance["IdentityStoreId"]}


def user(name):
    return store.get_user_id(**of_store, AlternateIdentifier=unique("userName", name))["UserId"]


def group(name):
    return store.get_group_id(**of_store, AlternateIdentifier=unique("displayName", name))["GroupId"]


def unique(path, value):
    return {"UniqueAttribute": {"AttributePath": path, "AttributeValue": value}}


def permission_set(name):
    for arn in sso.list_permission_sets(**here)["PermissionSets"]:
        found = sso.describe_permission_set(**here, PermissionSetArn=arn)["PermissionSet"]
        if found["Name"] == name:
            return arn
    raise LookupError(name)


def assignment(kind, principal, name):
    return here | {
        "TargetId": ACCOUNT,
        "TargetType": "AWS_ACCOUNT",
        "PermissionSetArn": permission_set(name),
        "PrincipalType": kind,
        "PrincipalId": principal,
    }


def membership(person, of):
    return of_store | {"GroupId": group(of), "MemberId": {"UserId": user(person)}}
