"""A join of JSON Lines with a table: each order beside its user, also an unknown one."""

from mapreduce import Csv, Job, JsonLines


class OrdersOfUsers(Job):
    input_format = {"users": Csv(delimiter="\t", quoting="none"), "orders": JsonLines()}

    def map(self, offset, row):
        if self.input == "users":
            yield int(row["id"]), ("user", row["name"])
        else:
            yield row["user"], ("order", row["id"])

    def reduce(self, user, rows):
        rows = list(rows)
        names = [value for kind, value in rows if kind == "user"] or ["unknown"]
        for kind, order in rows:
            if kind == "order":
                yield order, (user, names[0])
