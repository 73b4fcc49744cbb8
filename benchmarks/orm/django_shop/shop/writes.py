"""The pages that change something."""

from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import JsonResponse
from django.shortcuts import get_object_or_404

from shop.models import Customer, Item, Order, Product, Tag


def log_in(request):
    user = authenticate(request, username=request.POST["username"],
                        password=request.POST["password"])
    if user is None:
        return JsonResponse({"ok": False}, status=403)
    login(request, user)
    return JsonResponse({"ok": True, "name": user.get_full_name()})


def log_out(request):
    logout(request)
    return JsonResponse({"ok": True})


@login_required
def checkout(request):
    """Locks the products, takes them from the stock, writes the order."""
    wanted = dict(zip(map(int, request.POST.getlist("product")),
                      map(int, request.POST.getlist("quantity"))))
    with transaction.atomic():
        found = Product.objects.select_for_update().filter(pk__in=wanted).order_by("id")
        lines = [p for p in found if p.stock >= wanted[p.pk]]
        order = Order.objects.create(customer=request.user.customer,
                                     placed_at=request.POST["placed_at"])
        Item.objects.bulk_create(
            Item(order=order, product=p, quantity=wanted[p.pk], price=p.price) for p in lines)
        for p in lines:
            Product.objects.filter(pk=p.pk).update(stock=F("stock") - wanted[p.pk])
    request.session["last_order"] = order.pk
    return JsonResponse({"order": order.pk, "lines": order.items.count()})


@login_required
def cancel(request, pk):
    deleted = Order.objects.filter(pk=pk, customer__user=request.user).delete()
    return JsonResponse({"deleted": deleted[0]})


@login_required
def ship(request, pk):
    with transaction.atomic():
        order = get_object_or_404(Order.objects.select_for_update(), pk=pk)
        order.status = Order.Status.SHIPPED
        order.save()
    return JsonResponse({"status": order.status})


@login_required
def tag(request, pk):
    name, created = Tag.objects.get_or_create(name=request.POST["name"])
    product = get_object_or_404(Product, pk=pk)
    product.tags.add(name)
    return JsonResponse({"created": created, "tags": product.tags.count()})


@login_required
def edit(request, pk):
    """A unique key that may be taken already: the savepoint saves the rest."""
    with transaction.atomic():
        product, created = Product.objects.update_or_create(
            pk=pk, defaults={"description": request.POST["description"]})
        try:
            with transaction.atomic():
                product.sku = request.POST["sku"]
                product.save(update_fields=["sku", "updated_at"])
                taken = False
        except IntegrityError:
            taken = True
    return JsonResponse({"created": created, "taken": taken})


@login_required
def profile(request):
    customer = get_object_or_404(Customer, user=request.user)
    customer.city = request.POST["city"]
    customer.save()
    return JsonResponse({"city": customer.city})


@login_required
def restock(request):
    changed = Product.objects.filter(stock__lt=5, active=True).update(stock=F("stock") + 50)
    return JsonResponse({"changed": changed})
