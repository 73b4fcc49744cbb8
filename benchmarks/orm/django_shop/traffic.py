"""Runs the shop: `traffic.py set-up` migrates and fills it, `traffic.py requests COUNT FILE`
sends it COUNT requests, the same each time, and writes what was answered to FILE.

SHOP_PORT is the database's port. When all is done it says so and holds its connections until it
reads a line.
"""

import datetime
import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402

from shop.models import Customer, Item, Order, Product, Tag  # noqa: E402

CITIES = ("Aachen", "Basel", "Cork", "Delft", "Essen")
COLORS = ("red", "green", "blue", "black")
WORDS = ("lamp", "chair", "table", "shelf", "sofa", "mirror", "clock", "vase")
TAGS = ("new", "sale", "wood", "steel", "glass", "kids", "office", "garden")
CUSTOMERS, PRODUCTS, ORDERS = 60, 300, 500
VISITORS = 12
# As in a small deployment: each has a connection of its own and renews it now and then.
WORKERS = 4
REQUESTS_PER_CONNECTION = 100


def moment(dice):
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    return start + datetime.timedelta(minutes=dice.randrange(366 * 24 * 60))


def fill(dice):
    tags = [Tag.objects.create(name=name) for name in TAGS]
    for number in range(PRODUCTS):
        product = Product.objects.create(
            sku=f"SKU-{number:04}", name=f"{dice.choice(WORDS).title()} {number}",
            description=f"A {dice.choice(COLORS)} {dice.choice(WORDS)}",
            price=f"{dice.randrange(500, 9900) / 100:.2f}", stock=dice.randrange(100),
            attributes={"color": dice.choice(COLORS), "weight": dice.randrange(1, 40)})
        product.tags.set(dice.sample(tags, 2))
    for number in range(CUSTOMERS):
        user = User.objects.create_user(f"user{number}", password="secret",
                                        first_name="User", last_name=str(number))
        Customer.objects.create(user=user, name=f"Customer {number}", city=dice.choice(CITIES),
                                email=f"customer{number}@example.org")
    customers = list(Customer.objects.order_by("id"))
    products = list(Product.objects.order_by("id"))
    with transaction.atomic():
        orders = Order.objects.bulk_create(
            Order(customer=dice.choice(customers), placed_at=moment(dice)) for _ in range(ORDERS))
        Item.objects.bulk_create(
            Item(order=order, product=product, quantity=dice.randrange(1, 5), price=product.price)
            for order in orders for product in dice.sample(products, 3))


def popular(dice, count):
    """Most requests are for few of the things."""
    return 1 + min(dice.randrange(count), dice.randrange(count), dice.randrange(count))


READS = (
    (20, lambda dice: ("/products", {"page": popular(dice, 15)})),
    (25, lambda dice: (f"/products/{popular(dice, PRODUCTS)}", {})),
    (6, lambda dice: (f"/products/{popular(dice, PRODUCTS)}/stock", {})),
    (6, lambda dice: ("/search", {"q": dice.choice(WORDS + TAGS)})),
    (3, lambda dice: (f"/color/{dice.choice(COLORS)}", {})),
    (4, lambda dice: ("/tags", {})),
    (3, lambda dice: ("/prices", {"from": dice.choice((5, 10)), "to": dice.choice((50, 90))})),
    (4, lambda dice: ("/customers", {"city": dice.sample(CITIES, 2)})),
    (8, lambda dice: ("/orders", {})),
    (10, lambda dice: (f"/orders/{popular(dice, ORDERS)}", {})),
    (3, lambda dice: (f"/sales/2024/{dice.randrange(1, 13)}", {})),
    (3, lambda dice: ("/best", {})),
    (3, lambda dice: ("/days", {"day": f"2024-05-{dice.randrange(1, 8):02}"})),
    (0.3, lambda dice: ("/export", {})),
)
WRITES = (
    (4, lambda dice: ("/checkout", {
        "product": [popular(dice, PRODUCTS) for _ in range(3)], "quantity": [1, 2, 3],
        "placed_at": moment(dice).isoformat()})),
    (1, lambda dice: (f"/orders/{popular(dice, ORDERS)}/cancel", {})),
    (1.5, lambda dice: (f"/orders/{popular(dice, ORDERS)}/ship", {})),
    (1, lambda dice: (f"/products/{popular(dice, PRODUCTS)}/tag",
                      {"name": f"tag-{dice.randrange(20)}"})),
    (1, lambda dice: (f"/products/{popular(dice, PRODUCTS)}/edit",
                      {"description": f"A {dice.choice(WORDS)}",
                       "sku": f"SKU-{dice.randrange(2 * PRODUCTS):04}"})),
    (0.7, lambda dice: ("/profile", {"city": dice.choice(CITIES)})),
    (0.3, lambda dice: ("/restock", {})),
    (0.3, lambda dice: ("/logout", {})),
)


def choose(dice, pages):
    return dice.choices([page for _, page in pages], [weight for weight, _ in pages])[0](dice)


def log_in(number):
    return "/login", {"username": f"user{number}", "password": "secret"}


def run(count, dice, answer):
    """One request after the other, so that a second run meets the same rows."""
    visitors = [Client() for _ in range(VISITORS)]
    logged_in = [False] * VISITORS
    workers = [ThreadPoolExecutor(1) for _ in range(WORKERS)]
    for number in range(count):
        who = dice.randrange(VISITORS)
        if not logged_in[who]:
            method, (path, data) = "post", log_in(who)
        elif dice.random() < 0.9:
            method, (path, data) = "get", choose(dice, READS)
        else:
            method, (path, data) = "post", choose(dice, WRITES)
        logged_in[who] = path != "/logout"
        worker = workers[number % WORKERS]
        response = worker.submit(getattr(visitors[who], method), path, data).result()
        answer(f"{number} {who} {method} {path} {data} {response.status_code} "
               f"{response.content.decode()}")
        if (number + 1) % (WORKERS * REQUESTS_PER_CONNECTION) <= WORKERS - 1:
            worker.submit(lambda: connection.close()).result()  # its thread's
    for table in (Customer, Tag, Product, Order, Item):
        hidden = ("updated_at",)
        fields = [f.attname for f in table._meta.concrete_fields if f.attname not in hidden]
        for row in table.objects.order_by("id").values_list(*fields):
            answer(f"{table.__name__} {row}")


def main():
    dice = random.Random(20240229)
    if sys.argv[1] == "set-up":
        call_command("migrate", verbosity=0)
        fill(dice)
    else:
        with open(sys.argv[3], "w") as file:
            run(int(sys.argv[2]), dice, lambda line: print(line, file=file))
    print("done", flush=True)
    sys.stdin.readline()


main()
