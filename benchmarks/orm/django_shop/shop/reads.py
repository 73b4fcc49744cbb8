"""The pages that only look."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import (Avg, Case, CharField, Count, Exists, F, Max, OuterRef, Q, Subquery,
                              Sum, Value, When)
from django.db.models.functions import Coalesce, Lower, TruncDay, TruncMonth
from django.http import JsonResponse
from django.shortcuts import get_object_or_404

from shop.models import Customer, Item, Order, Product, Tag


def rows(queryset):
    return JsonResponse({"rows": list(queryset)})


def products(request):
    found = Product.objects.filter(active=True).order_by("name", "id").prefetch_related("tags")
    page = Paginator(found, 20).get_page(request.GET.get("page", 1))
    return JsonResponse({
        "pages": page.paginator.num_pages,
        "rows": [[p.id, p.name, p.price, p.stock, sorted(tag.name for tag in p.tags.all())]
                 for p in page],
    })


def product(request, pk):
    found = get_object_or_404(Product, pk=pk)
    related = (Product.objects.filter(tags__in=found.tags.all(), active=True)
               .exclude(pk=pk).distinct().order_by("id")[:5])
    return JsonResponse({
        "product": [found.sku, found.name, found.description, found.price, found.attributes],
        "tags": list(found.tags.order_by("name").values_list("name", flat=True)),
        "related": [p.name for p in related],
        "sold": found.items.aggregate(sold=Coalesce(Sum("quantity"), 0))["sold"],
    })


def stock(request, pk):
    return JsonResponse({
        "available": Product.objects.filter(pk=pk, stock__gt=0).exists(),
        "ordered": Item.objects.filter(product_id=pk, order__status=Order.Status.NEW).exists(),
    })


def search(request):
    words = request.GET["q"]
    found = (Product.objects.filter(Q(name__icontains=words) | Q(description__icontains=words)
                                    | Q(tags__name__istartswith=words))
             .distinct().order_by(Lower("name"), "id"))
    return rows([p.id, p.name] for p in found[:20])


def by_color(request, color):
    found = Product.objects.filter(attributes__color=color, attributes__has_key="weight")
    return rows([p.id, p.attributes] for p in found.order_by("id"))


def tags(request):
    return rows(Tag.objects.annotate(n=Count("products"), top=Max("products__price"))
                .order_by("-n", "name").values_list("name", "n", "top"))


def prices(request):
    band = Case(When(price__lt=20, then=Value("low")), When(price__lt=60, then=Value("middle")),
                default=Value("high"), output_field=CharField())
    return rows(Product.objects.filter(price__range=(request.GET["from"], request.GET["to"]))
                .annotate(band=band).values("band")
                .annotate(n=Count("id"), mean=Avg("price")).order_by("band")
                .values_list("band", "n", "mean"))


def customers(request):
    latest = Order.objects.filter(customer=OuterRef("pk")).order_by("-placed_at", "-id")
    return rows(
        [c.name, c.city, c.n, c.latest, c.waiting] for c in
        Customer.objects.filter(city__in=request.GET.getlist("city"))
        .annotate(n=Count("orders"), latest=Subquery(latest.values("status")[:1]),
                  waiting=Exists(latest.filter(status=Order.Status.NEW)))
        .order_by("name"))


@login_required
def orders(request):
    own = (Order.objects.filter(customer__user=request.user).select_related("customer")
           .prefetch_related("items__product").order_by("-placed_at", "-id"))
    return rows([o.id, o.customer.name, o.status, o.placed_at,
                 sorted([i.product.name, i.quantity, i.price] for i in o.items.all())]
                for o in own[:10])


@login_required
def order(request, pk):
    found = get_object_or_404(Order.objects.select_related("customer__user"), pk=pk)
    items = found.items.select_related("product").order_by("id")
    total = found.items.aggregate(total=Sum(F("price") * F("quantity")))["total"]
    return JsonResponse({
        "order": [found.customer.user.username, found.status, found.placed_at, total],
        "items": [[i.product.sku, i.quantity, i.price] for i in items],
    })


def sales(request, year, month):
    items = Item.objects.filter(order__placed_at__year=year)
    return JsonResponse({
        "months": list(items.annotate(month=TruncMonth("order__placed_at")).values("month")
                       .annotate(n=Count("id"), sum=Sum(F("price") * F("quantity")))
                       .order_by("month").values_list("month", "n", "sum")),
        "orders": Order.objects.filter(placed_at__year=year, placed_at__month=month).count(),
    })


def best_sellers(request):
    return rows(Product.objects.annotate(sold=Sum("items__quantity")).filter(sold__gt=0)
                .order_by("-sold", "id").values_list("name", "sold")[:10])


def days(request):
    return rows(Order.objects.filter(placed_at__date=request.GET["day"])
                .annotate(day=TruncDay("placed_at")).order_by("id")
                .values_list("id", "day", "customer__name"))


def export(request):
    """In chunks: outside a transaction Django uses a cursor WITH HOLD."""
    return rows([p.sku, p.price, p.stock] for p in Product.objects.order_by("sku").iterator())
